/* secret.h - what must not be seen: the secret values of a process, kept safe and kept out of every
 * text.
 *
 * A copy lives in memory that is locked (where the limits allow), left out of core dumps, and wiped
 * when the last who added it drops it. Whatever people may read (log lines, errors, listings) goes
 * through secret_mask().
 *
 * A secret is found as it is, percent-encoded (%2F, any case) and behind backslashes (JSON's \" \n
 * \u00e9, quoted connection strings). It is also found when the end of a longer text cuts it off,
 * from SECRET_SHORT bytes on.
 *
 * A secret shorter than SECRET_SHORT bytes would turn every other word into ***, and so tell more
 * than it hides: it is masked only where it stands as a value, behind one of = : ' " and before no
 * letter, digit or underscore, or as the whole text. An empty one is no secret.
 *
 * For one thread.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

#define SECRET_SHORT 4
#define SECRET_MASK "***"
#define SECRET_LISTS_LOG 10

struct secrets {
    struct list long_ones[1 << SECRET_LISTS_LOG]; /* by how they begin */
    struct list short_ones;                       /* shorter than SECRET_SHORT */
    struct list pages;
    bool is_locked; /* all of it, so far */
};

void secrets_init(struct secrets *s);
void secrets_fini(struct secrets *s); /* wipes everything */

/* A copy of the value that lives until it was dropped as often as it was added, NUL-terminated;
 * NULL when out of memory. Equal values share one copy. */
const char *secrets_add(struct secrets *s, const char *value, size_t size);
void secrets_drop(struct secrets *s, const char *copy);

/* How many bytes of text, from `at` on, are a secret; 0 when none begins there. */
size_t secret_at(const struct secrets *s, const char *text, size_t size, size_t at);

/* Puts *** in the place of every secret in text (size bytes), in place. Returns the new size, which
 * is never larger; when it is smaller, a NUL follows. s may be NULL. */
size_t secret_mask(const struct secrets *s, char *text, size_t size);

#endif
