#include "core/reconnect.h"

#include "core/pool.h"
#include "core/resource.h"

static bool is_old(const struct pool *p, const struct conn *c)
{
    return c->id <= p->reconnect.last;
}

static int32_t count_old(const struct pool *p, bool is_staying)
{
    int32_t old = 0;
    const struct conn *c = p->reconnect.last == 0 ? NULL : p->conns.first;
    for (; c != NULL; c = c->next) {
        bool is_leaving = c->is_retired || c->state == CONN_CLOSING;
        old += is_old(p, c) && !(is_staying && is_leaving);
    }
    return old;
}

int32_t reconnect_left(const struct pool *p)
{
    return count_old(p, false);
}

bool reconnect_is_over(const struct pool *p)
{
    return reconnect_left(p) == 0;
}

static void say(const struct pool *p, const char *text)
{
    const struct log_field field[] = {
        {.key = "resource", .text = p->resource->name},
        {.key = "role", .text = p->resource->spec->role_name[p->role]},
        {.key = "connections", .number = p->reconnect.all}};
    engine_log(p->engine, LOG_INFO, text, field, COUNT(field));
}

void reconnect_begin(struct pool *p, int32_t percent, int64_t every_us, int64_t number)
{
    struct census census = permits_census(&p->stake, number);
    int32_t own = pool_all(p), all = census.all > own ? census.all : own;
    p->renewed_us = engine_now(p->engine);
    permits_renew(&p->stake, p->renewed_us);
    p->reconnect = (struct reconnect){.last = p->resource->last_conn,
                                      .all = own,
                                      .step = (all * percent + 99) / 100,
                                      .ahead = census.before,
                                      .every_us = every_us,
                                      .next_us = engine_now(p->engine)};
    say(p, "reconnects");
    keep_soon(p); /* when all pools that are to have begun */
}

/* Room for the new one comes from the one that leaves, so nothing else may be on its way. */
static bool is_full_and_quiet(const struct pool *p)
{
    uint32_t leaving = 0;
    for (const struct conn *c = p->conns.first; c != NULL; c = c->next)
        leaving += c->is_retired && c->state != CONN_LEASED;
    return (pool_all(p) >= p->size.max || permits_is_full(&p->stake)) &&
           p->count[CONN_OPENING] + p->count[CONN_CLOSING] + leaving == 0;
}

/* Those nobody has, then the others; the oldest first. While connecting fails, none but those that are
 * not open yet. */
static void retire_due(struct pool *p, bool is_idle)
{
    int32_t spare = pool_warm(p) - p->size.min;
    for (struct conn *c = p->conns.first; c != NULL && p->reconnect.due > 0; c = c->next) {
        if (!is_old(p, c) || c->is_retired || c->state == CONN_CLOSING ||
            (c->state == CONN_IDLE) != is_idle)
            continue;
        bool is_open = c->state != CONN_OPENING;
        if (is_open && (p->trouble != NULL || (spare <= 0 && !is_full_and_quiet(p))))
            return;
        conn_retire(c);
        p->reconnect.due--;
        spare -= is_open;
    }
}

void reconnect_look(struct pool *p)
{
    struct reconnect *r = &p->reconnect;
    if (r->last == 0)
        return;
    if (reconnect_left(p) == 0) {
        say(p, "has reconnected");
        *r = (struct reconnect){.last = 0};
        return;
    }
    int32_t staying = count_old(p, true);
    if (engine_now(p->engine) >= r->next_us) {
        int32_t others = r->ahead < r->step ? r->ahead : r->step;
        r->ahead -= others;
        r->due += r->step - others;
        r->next_us = engine_now(p->engine) + r->every_us;
    }
    if (r->due > staying)
        r->due = staying;
    retire_due(p, true);
    retire_due(p, false);
}

/* With all of them due, what they wait for makes the keeper look. */
int64_t reconnect_next(const struct pool *p)
{
    return count_old(p, true) > p->reconnect.due ? p->reconnect.next_us : INT64_MAX;
}

int32_t reconnect_due(const struct pool *p)
{
    return p->reconnect.due;
}
