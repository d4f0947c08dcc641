/* nebula_front.c - what stands in front of calls and decides there tells it here. */
#include "core/tale.h"
#include "core/tenant.h"
#include "nebula_border.h"

int64_t nebula_tale(struct nebula *n)
{
    return (int64_t)++border_enter(n)->tales;
}

void nebula_tale_in(struct nebula *n, int64_t tale)
{
    border_enter(n)->task->tale = tale > 0 ? (uint64_t)tale : 0;
}

static bool is_code(int64_t number)
{
    return (uint64_t)number < ERROR_COUNT;
}

static bool is_way(int64_t number)
{
    return (uint64_t)number < NEBULA_WAYS;
}

/* There is a word for each number that has one. */
static bool has_words(int32_t what, int64_t a, int64_t b, int64_t c)
{
    switch (what) {
    case NEBULA_FRONT_HIT:
    case NEBULA_FRONT_STALE:
    case NEBULA_FRONT_MISS:
        return true;
    case NEBULA_FRONT_JOINED:
    case NEBULA_FRONT_STALE_IF_ERROR:
        return is_code(a);
    case NEBULA_FRONT_FALLBACK_LAST:
        return is_code(b);
    case NEBULA_FRONT_FALLBACK:
    case NEBULA_FRONT_FALLBACK_NONE:
        return is_way(b) && is_code(c);
    default:
        return false;
    }
}

void nebula_front(struct nebula *n, int32_t resource, int64_t tale, int32_t what, int64_t a,
                  int64_t b, int64_t c)
{
    struct engine *e = border_enter(n);
    struct resource *r = table_get(&e->resources, resource);
    if (r == NULL || !has_words(what, a, b, c))
        return;
    struct tale s = {.call = tale > 0 ? (uint64_t)tale : ++e->tales, .context = e->task->context};
    tale_front(tenant_known(r), &s, (enum nebula_front)what, a, b, c);
}
