/* guards.h - what calls that go by the same rules know together.
 *
 * A circuit, rates, a limit, tokens and times: each is made when its rule is in force and a call comes, is that of
 * all workers where it says so, and stays when the rule becomes another one, so that nothing that is known is lost
 * by other numbers. Of a resource they are those of all its calls but for the operations that are apart.
 *
 * What all workers have together goes by the rules that were said last, whoever said them: each takes what it says
 * there, when it says it, and when it joins; what is older than what is in force there it keeps to itself. Whether it
 * asks at all, each goes by its own.
 */
#ifndef CORE_GUARDS_H
#define CORE_GUARDS_H

#include "core/common.h"
#include "core/resource.h"
#include "core/times.h"
#include "nebula_policy.h"

struct circuits;
struct circuits_at;
struct limits;
struct operation;
struct rates;
struct tokens;

struct guards {
    struct resource *resource;
    const struct operation *owner;    /* whose calls they are; number 0: the resource's */
    const struct nebula_rules *rules; /* by which they go; whoever has them sets it */
    uint64_t said;                    /* when they were: a ledger_stamp() */
    struct circuits *circuits;
    struct circuits_at *at; /* one for each endpoint, instead */
    struct rates *rates;
    struct limits *limits;
    struct tokens *tokens;
    struct times calls, attempts; /* how long they took, where somebody wants to know */
};

/* NULL when out of memory. */
struct guards *guards_new(const struct operation *owner);
void guards_free(struct guards **g); /* *g may be NULL; no call is under way */
/* Its rules are others now. */
void guards_changed(struct guards *g);

/* The thing of this sort that they have, in all workers. NULL when out of memory. */
struct common *guards_join(const struct guards *g, const char *sort, common_make *make,
                           const void *how);

#endif
