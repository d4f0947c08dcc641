#include "rules/fill.h"

#include "base/check.h"

static int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

void fill_init(struct fill *f, const struct fill_policy *p)
{
    *f = (struct fill){.allowed = p->connecting};
}

int32_t fill_wanted(const struct fill_policy *p, const struct fill_counts *n)
{
    int32_t for_min = p->min - (n->all - n->closing) - n->elsewhere;
    int32_t for_waiters = n->waiting - n->coming;
    int32_t wanted = for_min > for_waiters ? for_min : for_waiters;
    wanted = smaller(wanted, p->max - n->all);
    wanted = smaller(wanted, p->connecting - n->opening);
    return wanted > 0 ? wanted : 0;
}

bool fill_has_room(const struct fill *f, int32_t opening)
{
    return opening < f->allowed;
}

void fill_opened(struct fill *f, const struct fill_policy *p)
{
    f->failures = 0;
    f->allowed =
        smaller(f->allowed > p->connecting / 2 ? p->connecting : f->allowed * 2, p->connecting);
    CHECK(f->allowed > 0);
}

void fill_failed(struct fill *f)
{
    if (f->failures < INT32_MAX)
        f->failures++;
    f->allowed = 1;
}
