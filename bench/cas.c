#include "cas.h"

#include <stdatomic.h>

#define WORDS 10

int64_t cas_pairs(int64_t pairs)
{
    static struct {
        _Alignas(64) _Atomic int32_t word; /* as far apart as connections are */
    } lock[WORDS];
    int64_t taken = 0;
    int at = 0;
    for (int64_t i = 0; i < pairs; i++) {
        int32_t is_free = 0, is_mine = 1;
        taken += atomic_compare_exchange_strong(&lock[at].word, &is_free, 1);
        taken -= !atomic_compare_exchange_strong(&lock[at].word, &is_mine, 0);
        at = at + 1 == WORDS ? 0 : at + 1;
    }
    return taken;
}
