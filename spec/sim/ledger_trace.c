#include "ledger_trace.h"

#include "base/check.h"
#include "core/pool.h"
#include "unlikely.h"
#include "world_sim.h"

#define PERMITS_MOST 64

/* One of the permits there are. */
struct known {
    const struct permits *permits; /* NULL: none */
    int32_t number, stakes, on_its_way;
    void (*look[LEDGER_WORKERS_MOST])(struct stake *s); /* the engine's own */
};

/* The functions that are wrapped have no argument to keep this in. */
static struct {
    FILE *lines;
    struct ledger_pause *pause;
    struct known known[PERMITS_MOST];
    int32_t numbers;
    int64_t steps;
} the;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
#define WRAPPED(type, name, ...)                                                                   \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)
WRAPPED(bool, permits_join, struct stake *s, struct ledger *l, struct loop *loop, const char *id,
        int32_t max);
WRAPPED(void, permits_leave, struct stake *s);
WRAPPED(void, permits_stop, struct stake *s);
WRAPPED(bool, permits_take, struct stake *s);
WRAPPED(bool, permits_ask, struct stake *s, const struct asks *a);
WRAPPED(void, permits_wish, struct stake *s, const struct asks *a);
WRAPPED(void, permits_forget, struct stake *s, int64_t arrived_us);
WRAPPED(void, permits_unask, struct stake *s);
WRAPPED(void, permits_give, struct stake *s);
WRAPPED(bool, permits_doom, struct stake *s);
WRAPPED(int64_t, permits_asked_us, const struct stake *s);
WRAPPED(bool, permits_hand, struct stake *s, struct parcel *p, int64_t before_us);
WRAPPED(struct parcel *, permits_receive, struct stake *s, int32_t *permits_out);
WRAPPED(int32_t, permits_take_back, struct stake *s, int64_t now_us);
WRAPPED(void, permits_resize, struct stake *s, int32_t max);
#undef WRAPPED

static struct known *known_of(const struct permits *p)
{
    struct known *room = NULL;
    for (int i = 0; i < PERMITS_MOST; i++) {
        if (the.known[i].permits == p)
            return &the.known[i];
        if (the.known[i].permits == NULL)
            room = &the.known[i];
    }
    CHECK(room != NULL);
    *room = (struct known){.permits = p, .number = ++the.numbers};
    return room;
}

static void step(const struct stake *s, const char *name, int64_t result, const int64_t *number,
                 int32_t count)
{
    the.steps++;
    if (the.lines == NULL)
        return;
    fprintf(the.lines, "%d %s %d %lld %d", known_of(s->permits)->number, name, s->worker,
            (long long)result, count);
    for (int32_t i = 0; i < count; i++)
        fprintf(the.lines, " %lld", (long long)number[i]);
    fputc('\n', the.lines);
}

void ledger_trace_begin(FILE *lines)
{
    for (int i = 0; i < PERMITS_MOST; i++)
        the.known[i] = (struct known){.permits = NULL};
    the.lines = lines;
    the.pause = NULL;
    the.numbers = 0;
    the.steps = 0;
}

void ledger_trace_pause(struct ledger_pause *p)
{
    the.pause = p;
}

static void pause_before(const struct stake *s, bool is_hand)
{
    if (the.pause != NULL && s->permits != NULL)
        the.pause->run(the.pause, s->worker, is_hand);
}

int32_t ledger_trace_on_its_way(const struct stake *s)
{
    return s->permits == NULL ? 0 : known_of(s->permits)->on_its_way;
}

int64_t ledger_trace_steps(void)
{
    return the.steps;
}

/* --- the steps -------------------------------------------------------------------------------- */

static void look(struct stake *s)
{
    step(s, "look", 0, NULL, 0);
    known_of(s->permits)->look[s->worker](s);
}

bool __wrap_permits_join(struct stake *s, struct ledger *l, struct loop *loop, const char *id,
                         int32_t max)
{
    void (*own)(struct stake *) = s->look;
    s->look = look;
    if (!__real_permits_join(s, l, loop, id, max))
        return false;
    struct known *known = known_of(s->permits);
    known->look[s->worker] = own;
    known->stakes++;
    step(s, "join", max, NULL, 0);
    return true;
}

void __wrap_permits_stop(struct stake *s)
{
    __real_permits_stop(s);
    if (s->permits != NULL)
        step(s, "stop", 0, NULL, 0);
}

void __wrap_permits_leave(struct stake *s)
{
    if (s->permits != NULL) {
        struct known *known = known_of(s->permits);
        step(s, "leave", 0, NULL, 0);
        if (--known->stakes == 0 && known->on_its_way != 0)
            law_broken("%d permits were on their way to nobody", known->on_its_way);
        if (known->stakes == 0)
            known->permits = NULL;
    }
    __real_permits_leave(s);
}

bool __wrap_permits_take(struct stake *s)
{
    pause_before(s, false);
    bool is_taken = __real_permits_take(s);
    if (s->permits != NULL)
        step(s, "take", is_taken, NULL, 0);
    return is_taken;
}

static void step_asking(const struct stake *s, const char *name, bool result, const struct asks *a)
{
    if (s->permits != NULL)
        step(s, name, result, a->arrived_us, a->count < a->room ? a->count : a->room);
}

bool __wrap_permits_ask(struct stake *s, const struct asks *a)
{
    pause_before(s, false);
    bool is_taken = __real_permits_ask(s, a);
    step_asking(s, s->only_permits ? "ask_each" : "ask", is_taken, a);
    return is_taken;
}

void __wrap_permits_wish(struct stake *s, const struct asks *a)
{
    pause_before(s, false);
    __real_permits_wish(s, a);
    step_asking(s, "wish", false, a);
}

void __wrap_permits_forget(struct stake *s, int64_t arrived_us)
{
    pause_before(s, false);
    __real_permits_forget(s, arrived_us);
    if (s->permits != NULL)
        step(s, "forget", 0, &arrived_us, 1);
}

void __wrap_permits_unask(struct stake *s)
{
    pause_before(s, false);
    __real_permits_unask(s);
    if (s->permits != NULL)
        step(s, "unask", 0, NULL, 0);
}

void __wrap_permits_give(struct stake *s)
{
    pause_before(s, false);
    int32_t before = permits_out(s);
    __real_permits_give(s);
    if (s->permits == NULL)
        return;
    known_of(s->permits)->on_its_way += permits_out(s) == before;
    step(s, "give", 0, NULL, 0);
}

bool __wrap_permits_doom(struct stake *s)
{
    pause_before(s, false);
    bool is_doomed = __real_permits_doom(s);
    if (s->permits != NULL)
        step(s, "doom", is_doomed, NULL, 0);
    if (is_doomed)
        unlikely_met(CLOSED_FOR_OTHERS);
    return is_doomed;
}

int64_t __wrap_permits_asked_us(const struct stake *s)
{
    pause_before(s, false);
    int64_t at_us = __real_permits_asked_us(s);
    if (s->permits != NULL)
        step(s, "asked_us", at_us == LEDGER_NOBODY ? -1 : at_us, NULL, 0);
    return at_us;
}

bool __wrap_permits_hand(struct stake *s, struct parcel *p, int64_t before_us)
{
    pause_before(s, true);
    bool is_handed = __real_permits_hand(s, p, before_us);
    known_of(s->permits)->on_its_way += is_handed;
    step(s, "hand", is_handed, &before_us, before_us != LEDGER_NOBODY);
    unlikely_met(is_handed ? PARCEL : HAND_TO_NOBODY);
    return is_handed;
}

struct parcel *__wrap_permits_receive(struct stake *s, int32_t *permits_out)
{
    pause_before(s, false);
    struct parcel *first = __real_permits_receive(s, permits_out);
    int64_t parcels = 0;
    for (const struct parcel *p = first; p != NULL; p = p->next)
        parcels++;
    known_of(s->permits)->on_its_way -= (int32_t)parcels + *permits_out;
    step(s, "receive", *permits_out, &parcels, 1);
    if (*permits_out > 0)
        unlikely_met(PERMIT_ALONE);
    if (first != NULL && list_is_empty(&container_of(s, struct pool, stake)->waiters))
        unlikely_met(PARCEL_FOR_NOBODY);
    return first;
}

int32_t __wrap_permits_take_back(struct stake *s, int64_t now_us)
{
    pause_before(s, false);
    int32_t late = __real_permits_take_back(s, now_us);
    if (late < 0)
        return late;
    step(s, "take_back", late, NULL, 0);
    unlikely_met(TAKEN_BACK);
    return late;
}

void __wrap_permits_resize(struct stake *s, int32_t max)
{
    pause_before(s, false);
    int32_t before = permits_out(s);
    __real_permits_resize(s, max);
    if (s->permits == NULL)
        return;
    known_of(s->permits)->on_its_way += permits_out(s) - before;
    step(s, "resize", max, NULL, 0);
}
/* NOLINTEND(bugprone-reserved-identifier) */
