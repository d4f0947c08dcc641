#include "core/handover.h"

#include "core/identity.h"
#include "core/load.h"
#include "core/resource.h"

/* Where the driver cannot let go of one, each that is closing makes room for one of those who ask. */
static bool is_room_coming(const struct pool *p)
{
    int32_t closing = (int32_t)p->count[CONN_CLOSING];
    return p->driver->detach == NULL && closing > 0 && permits_claims(&p->stake) <= closing;
}

bool handover_is_due(const struct pool *p, int64_t arrived_us)
{
    if (!p->is_asked || is_room_coming(p))
        return false;
    int64_t asked_us = permits_asked_us(&p->stake);
    return asked_us != LEDGER_NOBODY && asked_us + HANDOVER_LEAD_US < arrived_us;
}

/* A connection that comes must find room in the table of leases: nobody asks for more than that. */
static void keep_rows(struct pool *p)
{
    while (p->rows < ASKS_MOST && lease_keep(&p->engine->leases))
        p->rows++;
}

static struct asks asks_of(struct pool *p)
{
    struct asks a = {.count = 0};
    keep_rows(p);
    a.room = p->rows;
    struct list_node *n = list_head(&p->waiters);
    for (; n != NULL && a.count < ASKS_MOST; n = list_next(&p->waiters, n))
        a.arrived_us[a.count++] = container_of(n, struct waiter, node)->arrived_us;
    return a;
}

/* --- to others -------------------------------------------------------------------------------- */

static int64_t first_arrival_us(const struct pool *p)
{
    struct list_node *n = list_head(&p->waiters);
    return n == NULL ? INT64_MAX : container_of(n, struct waiter, node)->arrived_us;
}

/* Where it was; the way itself takes less than the lead. */
static bool has_rested_for_long(const struct pool *p, const struct conn *c)
{
    return engine_now(p->engine) - c->since_us >= p->check_us + HANDOVER_LEAD_US;
}

/* It has a new number, also where it was before: by that nobody knows how old it is. False when it is asked first
 * whether it lives, because nobody used it for long, as it would be where it was. */
static bool take_in(struct pool *p, struct conn *c)
{
    bool is_asked = has_rested_for_long(p, c);
    conn_attach(c, p);
    if (c->created_us < p->renewed_us || open_is_outdated(c)) {
        conn_retire(c);
    } else if (is_asked) {
        conn_move(c, CONN_IDLE);
        care_check(c);
    }
    return c->state == CONN_LEASED;
}

/* The one that came home last is as good as any, and found at once. Where the driver cannot let go of
 * it, it closes, and its permit goes on when it is gone. */
static bool hand_on(struct pool *p, struct conn *c)
{
    struct error why;
    if (!conn_detach(c)) {
        error_set(&why, ERROR_CLOSED, "%s: connection %u makes room for another worker",
                  p->resource->name, c->id);
        conn_close(c, &why);
        return true;
    }
    if (permits_hand(&p->stake, &c->parcel, first_arrival_us(p)))
        return true;
    CHECK(lease_keep(&p->engine->leases)); /* the one that it had is free */
    if (take_in(p, c))                     /* whoever asked does not any more */
        conn_move(c, CONN_IDLE);
    return false;
}

static bool has_one_for_others(const struct pool *p)
{
    return p->idle.first != NULL && handover_is_due(p, first_arrival_us(p));
}

static void shut_gate(struct pool *p)
{
    if (p->is_asked)
        p->gate |= GATE_ASKED;
}

/* What comes home is looked at when the turn ends: until then those here, who come first, may take the
 * short path. */
static void leave_ajar(struct pool *p)
{
    if (!handover_is_due(p, engine_now(p->engine)))
        p->gate &= ~(uint32_t)GATE_ASKED;
}

static void serve(struct soon *s)
{
    struct pool *p = container_of(s, struct pool, hand);
    bool is_wanted = true;
    while (is_wanted) {
        while (has_one_for_others(p) && (is_wanted = hand_on(p, p->idle.first)))
            continue;
        pool_serve(p); /* what others do not want any more, or those here waited for longer */
        is_wanted = is_wanted && has_one_for_others(p);
    }
    shut_gate(p);
}

static void watch(struct pool *p)
{
    p->is_asked = permits_asked_us(&p->stake) != LEDGER_NOBODY;
    p->gate &= ~(uint32_t)GATE_ASKED;
    shut_gate(p);
}

/* --- from others ------------------------------------------------------------------------------ */

static void adopt(struct pool *p, struct conn *c)
{
    p->rows--;
    bool is_lendable = take_in(p, c);
    if (load_is_shunned(p, c->reach)) /* whoever had it may use it */
        conn_retire(c);
    if (is_lendable)
        care_settle(c);
}

static void ask_since_now(struct pool *p)
{
    p->asks_since_us = engine_now(p->engine);
    loop_expect(p->engine->loop);
}

static void receive(struct pool *p)
{
    int32_t permits;
    struct parcel *next, *parcel = permits_receive(&p->stake, &permits);
    p->permits += permits;
    if (p->asks_since_us != INT64_MAX && (permits > 0 || parcel != NULL))
        ask_since_now(p); /* for the next one as long again */
    for (; parcel != NULL; parcel = next) {
        next = parcel->next;
        adopt(p, container_of(parcel, struct conn, parcel));
    }
}

/* The minimum is one worker's. */
static void settle_home(struct pool *p)
{
    bool is_home = permits_is_home(&p->stake);
    if (is_home == p->is_home)
        return;
    p->is_home = is_home;
    keep_bounds(p);
}

static void home_came(struct stake *s)
{
    struct pool *p = container_of(s, struct pool, stake);
    settle_home(p);
    keep_look(p);
}

static void came(struct stake *s)
{
    struct pool *p = container_of(s, struct pool, stake);
    receive(p);
    keep_look(p);
}

void handover_unask(struct pool *p)
{
    if (p->asks_since_us == INT64_MAX)
        return;
    p->asks_since_us = INT64_MAX;
    permits_unask(&p->stake);
}

void handover_next_waiter(struct pool *p, int64_t arrived_us)
{
    if (p->asks_since_us == INT64_MAX)
        return;
    permits_forget(&p->stake, arrived_us); /* at once: others go by it */
    keep_soon(p);                          /* asks for those behind him */
}

/* Where the driver keeps what it has, others have nothing but permits: whoever has no use for one asks for none, or
 * they would close for him what is theirs. */
void handover_opened(struct pool *p)
{
    if (p->driver->detach == NULL && !p->claims)
        permits_unask(&p->stake);
    handover_give_back(p);
}

void handover_give_back(struct pool *p)
{
    for (; p->permits > 0; p->permits--)
        permits_give(&p->stake);
}

static void note_asking(struct pool *p)
{
    if (p->asks_since_us == INT64_MAX)
        ask_since_now(p);
}

/* One that is being opened may take longer than others need theirs; which the driver must be able to let go of. */
static void wish(struct pool *p)
{
    if (engine_now(p->engine) < handover_wish_us(p))
        return;
    note_asking(p);
    if (p->driver->detach == NULL)
        return;
    const struct asks a = asks_of(p);
    permits_wish(&p->stake, &a);
}

int64_t handover_wish_us(const struct pool *p)
{
    bool is_alone = p->stake.permits == NULL || list_is_empty(&p->waiters);
    return is_alone ? INT64_MAX : first_arrival_us(p) + HANDOVER_LEAD_US;
}

/* Who does not turn keeps nobody waiting but his own. */
static void take_back(struct pool *p)
{
    int64_t now_us = engine_now(p->engine);
    if (now_us < handover_given_up_us(p))
        return;
    while (permits_take_back(&p->stake, now_us) >= 0)
        continue;
}

int64_t handover_late_us(const struct pool *p)
{
    int64_t first_us = handover_given_up_us(p), now_us = engine_now(p->engine);
    return now_us < first_us ? first_us : now_us + LEDGER_LATE_US;
}

/* Granted before max became less: until so many have closed, no more are opened. */
static void give_back_excess(struct pool *p)
{
    for (; p->permits > 0 && permits_is_over(&p->stake); p->permits--)
        permits_give(&p->stake);
}

bool handover_may_open(struct pool *p, int32_t missing)
{
    if (p->stake.permits == NULL)
        return true;
    give_back_excess(p);
    bool has_one = p->permits > 0;
    p->permits -= has_one;
    if (has_one || permits_take(&p->stake))
        return true;
    if (list_is_empty(&p->waiters))
        return false;
    struct asks a = asks_of(p);
    if (p->driver->detach == NULL) /* what comes are permits, for no more than these */
        a.room = missing;
    if (permits_ask(&p->stake, &a))
        return true;
    note_asking(p);
    p->claims = true;
    return false;
}

void handover_unopened(struct pool *p)
{
    p->permits += p->stake.permits != NULL;
}

void handover_closed(struct pool *p)
{
    permits_give(&p->stake);
}

int64_t handover_given_up_us(const struct pool *p)
{
    return p->asks_since_us == INT64_MAX ? INT64_MAX : p->asks_since_us + POOL_TURN_US;
}

void handover_look(struct pool *p)
{
    if (p->stake.permits == NULL)
        return;
    take_back(p);
    wish(p);
    watch(p);
    /* Whoever asked may have left meanwhile, and those here may have been served by then. */
    if (p->idle.first == NULL || (p->gate & (GATE_ASKED | GATE_QUEUE)) == 0)
        return;
    loop_soon(p->engine->loop, &p->hand);
    leave_ajar(p);
}

/* --- the beginning and the end ---------------------------------------------------------------- */

bool handover_join(struct pool *p)
{
    const struct engine *e = p->engine;
    p->asks_since_us = INT64_MAX;
    soon_init(&p->hand, serve);
    p->stake = (struct stake){.worker = e->worker, .look = came, .settle = home_came};
    p->stake.only_permits = p->driver->detach == NULL;
    p->is_home = true;
    if (e->ledger == NULL)
        return true;
    char *identity = identity_of(p->resource, "permits", p->role);
    bool has_joined =
        identity != NULL && permits_join(&p->stake, e->ledger, e->loop, identity, p->size.max);
    free(identity);
    p->renewed_us = has_joined ? permits_renewed_us(&p->stake) : 0;
    if (has_joined) {
        if (p->resource->is_resized) /* which nobody else with a pool may have heard */
            permits_resize(&p->stake, p->size.max);
        permits_least(&p->stake, p->size.min);
        settle_home(p);
    }
    return has_joined;
}

void handover_stop(struct pool *p)
{
    if (p->stake.permits == NULL)
        return;
    permits_stop(&p->stake);
    handover_unask(p);
    receive(p);
    handover_give_back(p);
}

void handover_leave(struct pool *p)
{
    handover_give_back(p);
    permits_leave(&p->stake);
    loop_unsoon(p->engine->loop, &p->hand);
    for (; p->rows > 0; p->rows--)
        lease_unkeep(&p->engine->leases);
}
