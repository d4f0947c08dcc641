/* rubbish_words.h - what the rubbish server says: messages in a buffer, right ones and spoiled ones.
 */
#ifndef SPEC_RUBBISH_WORDS_H
#define SPEC_RUBBISH_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_SIZE 32768

struct words {
    uint64_t dice;
    size_t size;
    unsigned char bytes[WORDS_SIZE];
};

/* What the client has said since it was last answered. */
struct turn {
    bool is_first, is_query;
    int parses, binds, describes, executes, syncs;
};

uint32_t words_roll(struct words *w, uint32_t below);
/* What a server would say, as far as one can know without understanding. */
void words_answer(struct words *w, const struct turn *turn);
/* Messages of any type, in any order. */
void words_babble(struct words *w);
void words_spoil(struct words *w);

#endif
