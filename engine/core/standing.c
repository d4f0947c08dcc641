#include "core/standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/index.h"
#include "core/common.h"
#include "core/operate.h"
#include "core/order.h"

enum mode { MODE_OPEN = 0, MODE_PAUSED, MODE_DRAINED };

/* What holds for one resource; the numbers are those of the orders, 0: none was given. */
struct stand {
    int64_t mode_number, bounds_number, size_number[ROLES_MOST];
    enum mode mode;
    int32_t min, max, role_max[ROLES_MOST], size[ROLES_MOST];
};

struct entry {
    struct entry *next;
    struct stand stand;
    char name[];
};

struct standings {
    struct common common;
    struct index by_name;
    struct entry *first;
};

static void free_all(struct common *c)
{
    struct standings *s = (struct standings *)(void *)c;
    for (struct entry *next, *one = s->first; one != NULL; one = next) {
        next = one->next;
        free(one);
    }
    index_fini(&s->by_name);
    free(s);
}

static struct common *make(const struct ledger *l, const void *how)
{
    (void)l;
    (void)how;
    struct standings *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    index_init(&s->by_name);
    s->common.free = free_all;
    return &s->common;
}

bool standing_join(struct engine *e)
{
    struct common *c = common_join(e->ledger, "standing", make, NULL);
    e->standings = (struct standings *)(void *)c;
    return c != NULL;
}

void standing_leave(struct engine *e)
{
    if (e->standings != NULL)
        common_leave(&e->standings->common);
    e->standings = NULL;
}

/* --- under the lock --------------------------------------------------------------------------- */

static struct stand *find(const struct standings *s, const char *name)
{
    struct entry *one = index_get(&s->by_name, name);
    return one == NULL ? NULL : &one->stand;
}

static struct stand *find_or_make(struct standings *s, const char *name)
{
    struct stand *found = find(s, name);
    struct entry *one = found != NULL ? NULL : calloc(1, sizeof *one + strlen(name) + 1);
    if (one == NULL)
        return found;
    strcpy(one->name, name);
    if (!index_add(&s->by_name, one->name, one)) {
        free(one);
        return NULL;
    }
    one->next = s->first;
    s->first = one;
    return &one->stand;
}

/* Where the number of its sort stands; NULL: nothing of it stays. */
static int64_t *number_of(struct stand *one, const struct order *o)
{
    if (o->what == ORDER_RESIZE)
        return &one->bounds_number;
    if (o->what == ORDER_SIZE)
        return &one->size_number[o->pool];
    bool is_mode = o->what == ORDER_PAUSE || o->what == ORDER_RESUME || o->what == ORDER_DRAIN;
    return is_mode ? &one->mode_number : NULL;
}

static void write_down(struct stand *one, const struct resource *r, const struct order *o)
{
    int64_t *number = number_of(one, o);
    if (number == NULL || *number > o->number)
        return;
    *number = o->number;
    if (o->what == ORDER_RESIZE) {
        one->min = r->min;
        one->max = r->max;
        memcpy(one->role_max, r->role_max, sizeof one->role_max);
    } else if (o->what == ORDER_SIZE) {
        one->size[o->pool] = o->size;
    } else if (r->is_draining) {
        one->mode = MODE_DRAINED;
    } else {
        one->mode = r->is_paused ? MODE_PAUSED : MODE_OPEN;
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

bool standing_is_later(const struct resource *r, const struct order *o)
{
    struct standings *s = r->engine->standings;
    if (s == NULL)
        return false;
    common_lock(&s->common);
    struct stand *one = find(s, r->name);
    const int64_t *number = one == NULL ? NULL : number_of(one, o);
    bool is_later = number != NULL && *number > o->number;
    common_unlock(&s->common);
    return is_later;
}

void standing_keep(const struct resource *r, const struct order *o)
{
    struct standings *s = r->engine->standings;
    if (s == NULL)
        return;
    common_lock(&s->common);
    struct stand *one = find_or_make(s, r->name);
    if (one != NULL)
        write_down(one, r, o);
    common_unlock(&s->common);
}

/* All zero when nothing stands. */
static struct stand look_up(struct standings *s, const char *name)
{
    struct stand found = {.mode = MODE_OPEN};
    common_lock(&s->common);
    const struct stand *one = find(s, name);
    if (one != NULL)
        found = *one;
    common_unlock(&s->common);
    return found;
}

/* What was ordered of the mould later than of the tenant holds for him too, and he has it already. */
void standing_take(struct resource *r, const struct resource *mould)
{
    struct standings *s = r->engine->standings;
    if (s == NULL)
        return;
    struct stand own = look_up(s, r->name), of_all = {.mode = MODE_OPEN};
    if (mould != NULL)
        of_all = look_up(s, mould->name);
    if (own.mode_number > of_all.mode_number) {
        r->is_paused = own.mode == MODE_PAUSED;
        r->is_draining = own.mode == MODE_DRAINED;
    }
    for (int32_t role = 0; role < ROLES_MOST; role++) {
        r->is_resized = r->is_resized || own.size[role] > 0;
        r->size[role] = own.size[role];
    }
    if (own.bounds_number <= of_all.bounds_number)
        return;
    r->is_resized = true;
    r->min = own.min;
    r->max = own.max;
    memcpy(r->role_max, own.role_max, sizeof r->role_max);
}
