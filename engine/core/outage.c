#include "core/outage.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/common.h"
#include "core/identity.h"
#include "core/pool.h"
#include "core/resource.h"
#include "rules/retry.h"

#define REOPEN_FIRST_US 50000 /* after a failed attempt; doubles, with full jitter */
#define REOPEN_MOST_US 1000000

/* One worker at it. */
struct member {
    struct seat seat;
    bool wants;         /* it found no room */
    int64_t overdue_us; /* when its attempts should be over for long */
    int32_t *opening;   /* its attempts, by endpoint and role */
};

struct outage {
    struct common common; /* its lock is that of all that follows */
    struct board *board;
    int32_t members;
    struct member member[]; /* by worker */
};

/* --- all workers together --------------------------------------------------------------------- */

static void outage_free(struct common *c)
{
    struct outage *o = container_of(c, struct outage, common);
    board_free(o->board);
    free(o);
}

static struct common *outage_make(const struct ledger *l, const void *how)
{
    const struct board *b = how;
    size_t members = (size_t)ledger_workers(l);
    size_t places = (size_t)b->endpoints * (size_t)b->roles;
    struct outage *o = calloc(1, sizeof *o + members * sizeof o->member[0] +
                                     members * places * sizeof *o->member[0].opening);
    if (o == NULL)
        return NULL;
    int32_t *opening = (int32_t *)(void *)&o->member[members];
    o->common.free = outage_free;
    o->members = (int32_t)members;
    for (size_t i = 0; i < members; i++)
        o->member[i].opening = opening + i * places;
    o->board = board_new(b->endpoints, b->roles, b->connecting);
    if (o->board != NULL)
        return &o->common;
    free(o);
    return NULL;
}

static struct member *member_of(const struct outlook *o)
{
    return &o->outage->member[o->resource->engine->worker];
}

static bool counts(const struct member *member, const struct member *own, int64_t now_us)
{
    return member == own || now_us < member->overdue_us;
}

static int32_t opening_of(const struct outage *o, const struct member *member, int32_t at)
{
    int32_t opening = 0;
    for (int32_t role = 0; role < o->board->roles; role++)
        opening += member->opening[board_place(o->board, at, role)];
    return opening;
}

/* How many of a role connect now, to whichever endpoint. */
static int32_t opening_as(const struct outage *o, const struct member *own, int32_t role,
                          int64_t now_us)
{
    int32_t opening = 0;
    for (int32_t i = 0; i < o->members; i++)
        for (int32_t at = 0; at < o->board->endpoints; at++)
            if (counts(&o->member[i], own, now_us))
                opening += o->member[i].opening[board_place(o->board, at, role)];
    return opening;
}

/* How many connect to each endpoint now, and of each role. */
static void count(struct outage *o, const struct member *own, int64_t now_us)
{
    for (int32_t role = 0; role < o->board->roles; role++)
        board_role(o->board, role)->opening = opening_as(o, own, role, now_us);
    for (int32_t at = 0; at < o->board->endpoints; at++) {
        struct endpoint *e = &o->board->endpoint[at];
        e->opening = 0;
        e->overdue_us = 0;
        for (int32_t i = 0; i < o->members; i++) {
            const struct member *member = &o->member[i];
            int32_t opening = counts(member, own, now_us) ? opening_of(o, member, at) : 0;
            e->opening += opening;
            if (opening > 0 && member != own &&
                (e->overdue_us == 0 || member->overdue_us < e->overdue_us))
                e->overdue_us = member->overdue_us;
        }
    }
}

static int64_t now_of(const struct outlook *o)
{
    return engine_now(o->resource->engine);
}

/* What is so: that of all workers, whose lock is held until leave(), or the outlook itself. */
static struct board *enter(struct outlook *o)
{
    if (o->outage == NULL)
        return o->board;
    common_lock(&o->outage->common);
    return o->outage->board;
}

enum news {
    NEWS_NONE = 0, /* nothing that others wait for */
    NEWS_ROOM,     /* one more may connect */
    NEWS_STATE,    /* what all go by */
};

static void tell_others(struct outage *o, const struct member *own, enum news news)
{
    for (int32_t i = 0; i < o->members; i++) {
        struct member *member = &o->member[i];
        if (member == own || !(news == NEWS_STATE || (news == NEWS_ROOM && member->wants)))
            continue;
        member->wants = false;
        seat_tell(&member->seat);
    }
}

static bool lacks_room(const struct board *b)
{
    for (int32_t role = 0; role < b->roles; role++)
        if (board_role(b, role)->opening >= b->connecting)
            return true;
    for (int32_t at = 0; at < b->endpoints; at++)
        if (!fill_has_room(&b->endpoint[at].fill, b->endpoint[at].opening))
            return true;
    return false;
}

static void leave(struct outlook *o, enum news news, bool is_refused)
{
    if (o->outage == NULL)
        return;
    struct member *own = member_of(o);
    count(o->outage, own, now_of(o));
    board_copy(o->board, o->outage->board);
    own->wants = is_refused || lacks_room(o->board);
    tell_others(o->outage, own, news);
    common_unlock(&o->outage->common);
}

/* --- how it looks to one ---------------------------------------------------------------------- */

struct outlook *outlook_new(struct resource *r, struct pool *own, const char *const *name)
{
    int32_t endpoints = own == NULL ? r->spec->endpoints : 1;
    int32_t roles = own == NULL ? r->spec->roles : 1;
    struct outlook *o = calloc(1, sizeof *o);
    if (o == NULL || (o->board = board_new(endpoints, roles, r->spec->pool.connecting)) == NULL) {
        free(o);
        return NULL;
    }
    o->resource = r;
    o->pool = own;
    for (int32_t i = 0; name != NULL && i < endpoints; i++)
        o->board->endpoint[i].name = names_keep(&r->engine->said, name[i]);
    return o;
}

void outlook_free(struct outlook **outlook)
{
    struct outlook *o = *outlook;
    *outlook = NULL;
    if (o == NULL)
        return;
    if (o->outage != NULL) {
        common_lock(&o->outage->common);
        for (int32_t at = 0; at < o->board->endpoints; at++)
            CHECK(opening_of(o->outage, member_of(o), at) == 0);
        seat_leave(&member_of(o)->seat);
        common_unlock(&o->outage->common);
        common_leave(&o->outage->common);
    }
    board_free(o->board);
    free(o);
}

struct seen *outlook_seen(const struct outlook *o, int32_t at, int32_t role)
{
    return board_seen(o->board, at, role);
}

int32_t outlook_last(const struct outlook *o, int32_t role)
{
    return board_role(o->board, role)->last;
}

static void each_pool(const struct outlook *o, void (*visit)(struct pool *p))
{
    if (o->pool != NULL)
        visit(o->pool);
    else
        resource_each_pool(o->resource, visit);
}

/* On this worker's loop: something is otherwise. */
static void look(void *taker)
{
    struct outlook *o = taker;
    uint32_t failures = o->board->failures;
    enter(o);
    leave(o, NEWS_NONE, false);
    each_pool(o, o->board->failures != failures ? open_heard_failure : open_heard);
}

bool outlook_join(struct outlook *o)
{
    struct engine *e = o->resource->engine;
    if (e->ledger == NULL || o->outage != NULL)
        return true;
    int32_t role = o->pool == NULL ? IDENTITY_ALL_ROLES : o->pool->role;
    char *identity = identity_of(o->resource, "outage", role);
    struct common *c =
        identity == NULL ? NULL : common_join(e->ledger, identity, outage_make, o->board);
    free(identity);
    if (c == NULL)
        return false;
    o->outage = container_of(c, struct outage, common);
    enter(o);
    seat_take(&member_of(o)->seat, c, e->loop, o, look);
    leave(o, NEWS_NONE, false);
    return true;
}

/* --- attempts --------------------------------------------------------------------------------- */

static void add_opening(struct pool *p, int32_t at, int32_t by)
{
    struct outlook *o = p->outlook;
    int32_t *opening = o->outage == NULL
                           ? &o->board->endpoint[at].opening
                           : &member_of(o)->opening[board_place(o->board, at, p->role)];
    *opening += by;
    CHECK(*opening >= 0);
}

static bool may_begin(const struct outlook *o, const struct board *b, int32_t at, int32_t role,
                      bool is_easy)
{
    const struct endpoint *e = &b->endpoint[at];
    int64_t now_us = now_of(o);
    return now_us >= e->again_us && (is_easy || now_us >= board_seen(b, at, role)->again_us) &&
           fill_has_room(&e->fill, e->opening) && board_role(b, role)->opening < b->connecting;
}

bool outage_begin(struct pool *p, int32_t at, bool is_easy)
{
    struct outlook *o = p->outlook;
    int64_t now_us = now_of(o);
    const struct board *b = enter(o);
    if (o->outage != NULL)
        count(o->outage, member_of(o), now_us);
    bool may = may_begin(o, b, at, p->role, is_easy);
    if (may)
        add_opening(p, at, 1);
    if (may && o->outage != NULL)
        member_of(o)->overdue_us = now_us + p->resource->spec->pool.connect_us + OUTAGE_GRACE_US;
    leave(o, NEWS_NONE, !may);
    return may;
}

bool outage_has_room(const struct pool *p)
{
    const struct board *b = p->outlook->board;
    bool is_overdue = false;
    for (int32_t at = 0; at < b->endpoints; at++)
        is_overdue |=
            b->endpoint[at].overdue_us > 0 && now_of(p->outlook) >= b->endpoint[at].overdue_us;
    return is_overdue || board_role(b, p->role)->opening < b->connecting;
}

static bool is_overdue(const struct outlook *o)
{
    return o->outage != NULL && now_of(o) >= member_of(o)->overdue_us;
}

void outage_gave_up(struct pool *p, int32_t at)
{
    enter(p->outlook);
    add_opening(p, at, -1);
    leave(p->outlook, NEWS_ROOM, false);
}

/* --- what came of them ------------------------------------------------------------------------ */

static int64_t pause_end_us(const struct pool *p, int32_t failures)
{
    const struct retry_policy pace = {.pause_us = REOPEN_FIRST_US, .pause_max_us = REOPEN_MOST_US};
    struct engine *e = p->engine;
    int64_t pause_us = retry_pause_us(&pace, failures + 1, e->world->random(e->world));
    return engine_now(e) + REOPEN_FIRST_US / 5 + pause_us;
}

static void tell(const struct pool *p, int32_t at, enum log_level level, const char *text,
                 const char *why)
{
    const char *name = p->outlook->board->endpoint[at].name;
    const struct log_field field[] = {{.key = "resource", .text = p->resource->name},
                                      {.key = "endpoint", .text = name},
                                      {.key = "error", .text = why}};
    if (name != NULL)
        engine_log(p->engine, level, text, field, why == NULL ? 2 : 3);
}

/* What it comes back as, nobody knows. */
static void forget(struct board *b, int32_t at)
{
    for (int32_t role = 0; role < b->roles; role++)
        board_seen(b, at, role)->is_fit = false;
}

/* Whether it was down; why, in *was. */
static bool answered(struct board *b, int32_t at, struct error *was)
{
    struct endpoint *e = &b->endpoint[at];
    bool was_down = endpoint_is_down(e);
    *was = e->why != NULL ? *e->why : (struct error){.code = ERROR_OK};
    fill_opened(&e->fill, &(struct fill_policy){.connecting = b->connecting});
    e->again_us = 0;
    endpoint_note(e, NULL);
    return was_down;
}

static void missed(const struct pool *p, struct board *b, int32_t at)
{
    struct seen *s = board_seen(b, at, p->role);
    s->is_fit = false;
    if (s->misses < INT32_MAX)
        s->misses++;
    s->again_us = pause_end_us(p, s->misses);
    board_order(b, at, p->role);
}

static void tell_of_answer(const struct pool *p, int32_t at, bool was_down, const struct error *was)
{
    if (was_down)
        tell(p, at, LOG_INFO, "the endpoint answers again",
             was->code == ERROR_OK ? NULL : was->text);
}

static void was_unfit(struct pool *p, int32_t at)
{
    struct error was;
    struct board *b = enter(p->outlook);
    add_opening(p, at, -1);
    bool was_down = answered(b, at, &was);
    missed(p, b, at);
    b->failures++;
    leave(p->outlook, NEWS_STATE, false);
    tell_of_answer(p, at, was_down, &was);
}

static void was_down(struct pool *p, int32_t at, const struct error *why)
{
    struct error masked = *why;
    secret_mask(&p->engine->secrets, masked.text, strlen(masked.text));
    struct board *b = enter(p->outlook);
    struct endpoint *e = &b->endpoint[at];
    bool is_new = !endpoint_is_down(e);
    add_opening(p, at, -1);
    fill_failed(&e->fill);
    e->again_us = pause_end_us(p, e->fill.failures);
    endpoint_note(e, &masked);
    forget(b, at);
    b->failures++;
    leave(p->outlook, NEWS_STATE, false);
    if (is_new)
        tell(p, at, LOG_WARN, "the endpoint is down", why->text);
}

void outage_failed(struct pool *p, int32_t at, const struct error *why)
{
    if (is_overdue(p->outlook)) /* it is this worker that was late */
        outage_gave_up(p, at);
    else if (why->code == ERROR_UNFIT)
        was_unfit(p, at);
    else
        was_down(p, at, why);
}

/* One primary at a time: once it is found elsewhere, what is left of it where it was leaves. So do the other
 * roles where it is now. */
static void settle_at(struct board *b, int32_t at, int32_t role)
{
    board_role(b, role)->last = at;
    for (int32_t i = 0; i < b->endpoints; i++)
        if (i != at)
            board_order(b, i, role);
    for (int32_t other = 0; other < b->roles; other++)
        if (b->roles > 1 && other != role)
            board_order(b, at, other);
}

static bool stays(const struct pool *p)
{
    return (p->resource->spec->role_choice[p->role] & NEBULA_SPREAD) == 0;
}

/* Whether all have to know. */
static bool was_fit(struct pool *p, struct board *b, int32_t at)
{
    struct seen *s = board_seen(b, at, p->role);
    bool is_new = !s->is_fit && (s->misses > 0 || p->outlook->pool == NULL);
    if (stays(p))
        forget(b, at); /* whose it is now, it is no other's */
    s->is_fit = true;
    s->misses = 0;
    s->again_us = 0;
    if (!stays(p) || board_role(b, p->role)->last == at)
        return is_new;
    settle_at(b, at, p->role);
    return true;
}

void outage_opened(struct pool *p, int32_t at, bool is_easy)
{
    struct error was;
    struct board *b = enter(p->outlook);
    add_opening(p, at, -1);
    bool was_down = answered(b, at, &was);
    bool is_news = !is_easy && was_fit(p, b, at);
    leave(p->outlook, is_news || was_down ? NEWS_STATE : NEWS_ROOM, false);
    tell_of_answer(p, at, was_down, &was);
}

void outage_turned(struct conn *c)
{
    struct pool *p = c->pool;
    struct board *b = enter(p->outlook);
    struct seen *s = board_seen(b, c->reach, p->role);
    bool is_old =
        s->turns != c->turns; /* which it was told before, and nothing since is known by it */
    bool was_fit = s->is_fit && !is_old;
    if (!is_old) {
        s->misses = 0;
        missed(p, b, c->reach);
    }
    leave(p->outlook, is_old ? NEWS_NONE : NEWS_STATE, false);
    if (was_fit)
        tell(p, c->reach, LOG_WARN, "the endpoint is not what the role needs any more", NULL);
}
