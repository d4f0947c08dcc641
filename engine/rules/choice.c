#include "rules/choice.h"

int32_t choice_stay(const struct choice_of *of, int32_t count, int32_t last)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t at = (last + i) % count;
        if (of[at].state != CHOICE_USELESS)
            return of[at].state == CHOICE_READY ? at : -1;
    }
    return -1;
}

int32_t choice_spread(const struct choice_of *of, int32_t count, int32_t last)
{
    int32_t best = -1;
    for (int32_t i = 1; i <= count; i++) {
        int32_t at = (last + i) % count;
        if (of[at].state == CHOICE_READY && (best < 0 || of[at].conns < of[best].conns))
            best = at;
    }
    return best;
}
