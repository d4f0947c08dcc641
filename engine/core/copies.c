#include "core/copies.h"

#include <stdlib.h>
#include <string.h>

#include "core/call.h"
#include "core/stages.h"
#include "core/tokens.h"

static struct hedge_policy policy_of(const struct call *c)
{
    const struct nebula_hedge *h = &c->operation->rules->hedge;
    return (struct hedge_policy){.most = h->copies,
                                 .permille = h->permille,
                                 .delay_us = h->delay_us,
                                 .floor_us = h->floor_us};
}

static int64_t now_of(const struct call *c)
{
    return engine_now(c->ticket.engine);
}

static void disarm(struct call *c)
{
    if (timer_is_armed(&c->copies.timer))
        loop_disarm(c->ticket.engine->loop, &c->copies.timer);
}

static void arm(struct call *c, struct hedge_step step)
{
    if (step.next == HEDGE_WAIT && step.at_us != HEDGE_NEVER)
        loop_arm(c->ticket.engine->loop, &c->copies.timer, step.at_us);
    else
        disarm(c);
}

/* --- one more --------------------------------------------------------------------------------- */

/* The request is the call's, but for what becomes of it. */
static struct copy *copy_new(struct call *c)
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return NULL;
    const struct attempt *of = &c->attempt;
    struct attempt *a = &copy->attempt;
    attempt_init(a, of->engine, of->resource);
    copy->call = c;
    a->role = of->role;
    a->tale = of->tale;
    a->tale.attempt--; /* it is a part of the same one */
    a->asked_us = of->asked_us;
    a->deadline_us = of->deadline_us;
    a->waiter.key = of->waiter.key;
    a->waiter.guards = of->waiter.guards;
    a->is_hasty = true;
    a->request.verb = of->request.verb;
    a->request.count = of->request.count;
    a->request.window = of->request.window;
    a->request.text_size = of->request.text_size;
    a->request.text = of->request.text;
    a->request.value = of->request.value;
    a->request.context = of->request.context;
    a->request.is_idempotent = true;
    reply_init(&a->request.reply);
    copy->next = c->copies.first;
    c->copies.first = copy;
    return copy;
}

static void tell(struct call *c, bool is_denied)
{
    tale_hedged(c->attempt.resource, &c->attempt.tale, now_of(c) - c->attempt.sent_us, is_denied);
}

/* False: nobody can take it now. */
static bool begin_one(struct call *c)
{
    struct copy *copy = copy_new(c);
    if (copy == NULL)
        return false;
    copy->attempt.ended = call_copy_ended;
    copy->attempt.let_go = call_copy_let_go;
    c->copies.is_beginning = true;
    attempt_begin(&copy->attempt);
    c->copies.is_beginning = false;
    return copy->attempt.state != ATTEMPT_OVER;
}

/* False: nobody can take it now, or it may not be paid for. */
static bool send_one(struct call *c)
{
    struct guards *g = c->operation->guards;
    if (now_of(c) >= c->attempt.deadline_us)
        return false;
    bool is_paid = tokens_spend(g, &c->operation->rules->hedge);
    bool is_sent = is_paid && begin_one(c);
    if (is_paid && !is_sent)
        tokens_return(g);
    else
        tell(c, !is_paid);
    return is_sent;
}

static void follow(struct call *c, struct hedge_step step)
{
    const struct hedge_policy p = policy_of(c);
    while (step.next == HEDGE_SEND)
        step = send_one(c) ? hedge_sent(&c->copies.hedge, &p, now_of(c))
                           : hedge_denied(&c->copies.hedge, now_of(c));
    arm(c, step);
}

static void time_for_one(struct call *c)
{
    const struct hedge_policy p = policy_of(c);
    follow(c, hedge_timer(&c->copies.hedge, &p, now_of(c)));
}

static void timer_fired(struct timer *t)
{
    time_for_one(container_of(t, struct call, copies.timer));
}

/* The first one alone takes too long. Where it waits for its connection it gets it no sooner for another one. */
static void alerted(struct attempt *a)
{
    struct call *c = container_of(a, struct call, attempt);
    if (a->state == ATTEMPT_WAITING)
        a->alert_us = engine_in(a->engine, c->copies.hedge.delay_us);
    else
        time_for_one(c);
}

/* --- for the call ------------------------------------------------------------------------------ */

void copies_init(struct copies *x)
{
    timer_init(&x->timer, timer_fired);
}

void copies_allow(struct call *c)
{
    const struct request *r = &c->attempt.request;
    c->copies.hedge = (struct hedge){.sent = 0};
    c->copies.is_allowed = r->is_idempotent && r->verb == NEBULA_RUN && !c->attempt.is_dirtying;
    if (c->copies.is_allowed)
        tokens_earn(c->operation->guards, &c->operation->rules->hedge);
}

void copies_forbid(struct call *c, const struct stage_end *end)
{
    disarm(c);
    c->copies.is_allowed = false;
    c->attempt.alert_us = INT64_MAX;
    if (end->was_sent && end->code == ERROR_OK)
        times_note(&c->operation->guards->attempts, end->took_us, now_of(c));
}

/* Most are over before: so the first copy needs no timer of its own. */
void copies_begin(struct call *c)
{
    if (!c->copies.is_allowed)
        return;
    const struct hedge_policy p = policy_of(c);
    struct times *t = &c->operation->guards->attempts;
    int64_t now_us = now_of(c);
    int64_t quantile_us = p.permille > 0 ? times_quantile_us(t, p.permille, now_us) : 0;
    int64_t delay_us = hedge_delay_us(&p, quantile_us);
    c->attempt.alert_us = hedge_begin(&c->copies.hedge, &p, true, delay_us, now_us).at_us;
    c->attempt.alerted = alerted;
    c->copies.is_beginning = true;
}

void copies_begun(struct call *c)
{
    c->copies.is_beginning = false;
}

/* As which copy it went, the attempt itself being the first. */
static int32_t number_of(const struct call *c, const struct attempt *a)
{
    int32_t behind = 0;
    const struct copy *copy = c->copies.first;
    while (&copy->attempt != a)
        copy = copy->next;
    for (; copy != NULL; copy = copy->next)
        behind++;
    return behind + 1;
}

bool copies_ended(struct call *c, struct attempt *a, enum outcome outcome)
{
    if (!c->copies.is_allowed || c->copies.is_beginning)
        return true;
    const struct hedge_policy p = policy_of(c);
    enum hedge_end end = outcome == OUTCOME_OK ? HEDGE_WELL
                         : call_may_repeat(c)  ? HEDGE_NON_FATAL
                                               : HEDGE_FATAL;
    struct hedge_step step = hedge_ended(&c->copies.hedge, &p, end, now_of(c));
    if (step.next != HEDGE_ANSWER) {
        follow(c, step);
        step.next = c->copies.hedge.is_over ? HEDGE_ANSWER : HEDGE_WAIT;
    }
    if (step.next == HEDGE_ANSWER && outcome == OUTCOME_OK && a != &c->attempt)
        tale_hedge_won(a->resource, &c->attempt.tale, number_of(c, a),
                       now_of(c) - c->attempt.sent_us);
    if (step.next == HEDGE_ANSWER)
        copies_give_up(c, a);
    else
        attempt_hand_in(a, c->error.code);
    return step.next == HEDGE_ANSWER;
}

/* What it may have done no other one disproves. */
static void give_up(struct call *c, struct attempt *a)
{
    if (a->state == ATTEMPT_OVER)
        return;
    c->again.attempts += a->was_sent;
    c->is_doubtful |= attempt_give_up(a) == OUTCOME_IN_DOUBT;
}

void copies_give_up(struct call *c, const struct attempt *but)
{
    disarm(c);
    if (&c->attempt != but)
        give_up(c, &c->attempt);
    for (struct copy *copy = c->copies.first; copy != NULL; copy = copy->next)
        if (&copy->attempt != but)
            give_up(c, &copy->attempt);
}

bool copies_are_in_flight(const struct call *c)
{
    const struct copy *copy = c->copies.first;
    while (copy != NULL && !copy->attempt.is_in_flight)
        copy = copy->next;
    return copy != NULL;
}

void copies_free(struct call *c)
{
    for (struct copy *copy = c->copies.first, *next; copy != NULL; copy = next) {
        next = copy->next;
        reply_fini(&copy->attempt.request.reply);
        free(copy);
    }
    c->copies.first = NULL;
}
