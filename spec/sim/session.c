#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "memory.h"
#include "unlikely.h"

static int64_t soon_us(struct session *s, int64_t low, int64_t high)
{
    return world_time_us() + dice_between(&s->server->dice, low, high);
}

/* What befalls a verb that is begun now. */
static enum fault fate(struct server *s, enum fault first, enum fault last)
{
    enum fault numbered = server_count(s, first, last);
    return numbered != FAULT_NONE ? numbered : server_roll(s, first, last);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void leave_room(struct session *s)
{
    s->is_dead = true;
    if (s->is_live)
        s->server->live--;
    s->is_live = false;
    s->pendings = 0;
    s->in_transaction = s->dirty = s->streaming = 0;
    s->is_giving = s->is_taking = false;
    s->tales = 0;
    memset(s->hark, 0, sizeof s->hark);
    happening_forget(&s->speaks);
    happening_forget(&s->acts);
    happening_forget(&s->dies);
    happening_forget(&s->hits);
}

void session_end(struct session *s)
{
    CHECK(s->wire == NULL);
    leave_room(s);
    happening_forget(&s->notices);
    list_remove(&s->server->sessions, &s->node);
    outside_free(s);
}

static void arrange_arrival(struct session *s, enum arrival arrival, int64_t at_us)
{
    const struct wire *w = s->wire;
    int64_t timer_us = w == NULL || w->timer_us == NULL ? INT64_MAX : w->timer_us(w);
    bool is_met =
        timer_us > at_us && timer_us < at_us + SECOND && unlikely_happens(REPLY_AT_A_TIMER);
    s->arrival = arrival;
    happening_arrange(&s->arrives, is_met ? timer_us : at_us);
}

static void fail(struct session *s, enum error_code code, const char *state, const char *text,
                 int64_t at_us)
{
    s->answer = (struct answer){.code = code, .state = state, .text = text};
    arrange_arrival(s, ARRIVAL_FAILED, at_us);
}

static void break_off(struct session *s, enum error_code code, const char *state, const char *text)
{
    leave_room(s);
    if (s->wire == NULL)
        session_end(s);
    else
        fail(s, code, state, text, soon_us(s, 0, 2 * MS));
}

void session_lose(struct session *s, const char *text)
{
    break_off(s, ERROR_LOST, "57P01", text);
}

static void dies(struct happening *h)
{
    struct session *s = container_of(h, struct session, dies);
    enum fault fate = server_roll(s->server, FAULT_LOST_IDLE, FAULT_LOST_SILENTLY);
    if (fate == FAULT_LOST_SILENTLY && s->wire != NULL)
        leave_room(s);
    else
        session_lose(s, "the server ended the session");
}

/* --- what arrives at the client --------------------------------------------------------------- */

/* Whose thread does something else hears of it later. */
static bool is_put_off(const struct wire *w, struct happening *h)
{
    int64_t awake_us = w->awake_us == NULL ? 0 : w->awake_us(w);
    if (awake_us > world_time_us())
        happening_arrange(h, awake_us);
    return awake_us > world_time_us();
}

static void arrives(struct happening *h)
{
    struct session *s = container_of(h, struct session, arrives);
    struct wire *w = s->wire;
    if (is_put_off(w, h))
        return;
    switch (s->arrival) {
    case ARRIVAL_OPENED:
        s->opened_us = world_time_us();
        w->opened(w);
        return;
    case ARRIVAL_FAILED:
        happening_forget(&s->returns);
        w->failed(w, s->answer.code, s->answer.state, s->answer.text);
        return;
    case ARRIVAL_REPLY:
        s->is_running = false;
        w->replied(w, &s->answer);
        return;
    }
    UNREACHABLE();
}

static void returns(struct happening *h)
{
    struct wire *w = container_of(h, struct session, returns)->wire;
    if (!is_put_off(w, h))
        w->cancelled(w);
}

/* One after the other, as they were told. */
static void speaks(struct happening *h)
{
    struct session *s = container_of(h, struct session, speaks);
    if (s->wire != NULL && is_put_off(s->wire, h))
        return;
    const struct tale t = s->tale[0];
    memmove(s->tale, s->tale + 1, (size_t)--s->tales * sizeof *s->tale);
    if (s->tales > 0)
        happening_arrange(&s->speaks, soon_us(s, 0, 500));
    if (s->wire != NULL)
        s->wire->told(s->wire, t.channel, t.number);
}

void session_tell(struct session *s, const struct tale *t)
{
    bool is_heard = false;
    for (int i = 0; i < HARKS_MOST; i++)
        is_heard |= s->hark[i] == t->channel;
    if (!is_heard)
        return;
    CHECK(s->tales < TALES_MOST);
    s->tale[s->tales++] = *t;
    if (s->tales == 1)
        happening_arrange(&s->speaks, soon_us(s, 20, MS));
}

/* --- statements ------------------------------------------------------------------------------- */

static void acts(struct happening *h)
{
    struct session *s = container_of(h, struct session, acts);
    enum fault fault = s->statement.fault;
    if (fault == FAULT_LOST_BEFORE || fault == FAULT_UNSENT) {
        session_lose(s, "the connection broke");
        return;
    }
    s->is_acted = true;
    session_execute(s);
    if (s->wire == NULL)
        session_end(s);
    else if (fault == FAULT_LOST_AFTER)
        session_lose(s, "the connection broke");
    else if (fault == FAULT_UNREADABLE)
        break_off(s, ERROR_MEMORY, "", "no memory for a row");
    else if (fault != FAULT_MUTE)
        arrange_arrival(s, ARRIVAL_REPLY, soon_us(s, 20, fault == FAULT_SLOW ? 900 * MS : 500));
}

static int64_t act_at(struct session *s, enum fault fault)
{
    if (fault == FAULT_SLOW)
        return soon_us(s, 0, 2 * SECOND);
    if (s->is_slow)
        return soon_us(s, 20 * MS, 500 * MS);
    if (fault == FAULT_OWN_SLOW)
        return soon_us(s, 100 * MS, 8 * SECOND);
    return soon_us(s, 20, 3 * MS) + s->server->pace_us;
}

/* "word lessee id" */
static void parse(struct statement *st, const char *text)
{
    size_t size = strcspn(text, " ");
    CHECK(size < sizeof st->word);
    memcpy(st->word, text, size);
    char *end = NULL;
    st->lessee = strtoll(text + size, &end, 10);
    st->id = strtoll(end, &end, 10);
    if (*end != ';')
        return;
    st->hark[st->harks++] = st->id;
    while (end[1] != '\0') {
        CHECK(st->harks < HARKS_MOST && memcmp(end + 1, text, size + 2) == 0);
        st->hark[st->harks++] = strtoll(end + 1 + size + 2, &end, 10);
    }
}

static bool is_own(const struct statement *st)
{
    return st->lessee == 0;
}

static void tell_witness(const struct session *s, const struct statement *st)
{
    struct witness *w = s->server->witness;
    if (w != NULL)
        w->heard(w, &(struct heard){.server = s->server->name,
                                    .lessee = st->lessee,
                                    .id = st->id,
                                    .opened_us = s->opened_us,
                                    .role = s->role,
                                    .is_own = is_own(st)});
}

static void hear(struct wire *w, enum nebula_verb verb, const char *text, int32_t window)
{
    struct session *s = w->session;
    s->statement = (struct statement){.verb = verb, .window = window};
    if (text[0] == '\0')
        s->statement.lessee = s->streaming;
    else
        parse(&s->statement, text);
}

static bool begin(struct session *s)
{
    s->server->heard++;
    s->is_running = true;
    s->is_acted = false;
    s->serial++;
    if (s->is_dead || s->is_mute)
        return true;
    session_inspect(s, &s->statement);
    enum fault fault = server_count(s->server, FAULT_UNSENT, FAULT_CONFLICT);
    if (fault == FAULT_NONE && is_own(&s->statement))
        fault = server_roll(s->server, FAULT_OWN_FAILS, FAULT_OWN_SLOW);
    else if (fault == FAULT_NONE)
        fault = server_roll(s->server, FAULT_UNSENT, FAULT_CONFLICT);
    s->statement.fault = fault;
    if (fault != FAULT_STUCK)
        happening_arrange(&s->acts, act_at(s, fault));
    return fault != FAULT_UNSENT;
}

bool wire_send(struct wire *w, enum nebula_verb verb, const char *text, int32_t window)
{
    hear(w, verb, text, window);
    tell_witness(w->session, &w->session->statement);
    return begin(w->session);
}

void wire_announce(struct wire *w, const char *text)
{
    struct statement st = {.verb = NEBULA_RUN};
    parse(&st, text);
    tell_witness(w->session, &st);
}

void wire_send_again(struct wire *w, const char *text)
{
    hear(w, NEBULA_RUN, text, 0);
    begin(w->session);
}

/* --- cancels ---------------------------------------------------------------------------------- */

static void hits(struct happening *h)
{
    struct session *s = container_of(h, struct session, hits);
    if (!s->is_running || s->is_acted || s->is_mute)
        return;
    if (s->serial != s->cancel_serial && !s->is_exposed)
        law_broken("%s: a cancel hit '%s' of lessee %lld, which it was not meant for",
                   s->server->name, s->statement.word, (long long)s->statement.lessee);
    if (s->wire == NULL) {
        session_end(s);
        return;
    }
    happening_forget(&s->acts);
    s->is_acted = true;
    session_give_up(s);
    arrange_arrival(s, ARRIVAL_REPLY, soon_us(s, 20, 2 * MS));
}

void wire_cancel(struct wire *w, bool is_exposed)
{
    struct session *s = w->session;
    s->is_exposed = is_exposed;
    enum fault fault = fate(s->server, FAULT_CANCEL_SLOW, FAULT_CANCEL_MUTE);
    s->cancel_serial = s->serial;
    int64_t hits_us = soon_us(s, 20, fault == FAULT_CANCEL_SLOW ? 3 * SECOND : 2 * MS);
    if (fault != FAULT_CANCEL_LOST && fault != FAULT_CANCEL_MUTE && !s->is_dead)
        happening_arrange(&s->hits, hits_us);
    if (fault != FAULT_CANCEL_MUTE)
        happening_arrange(&s->returns, hits_us + dice_between(&s->server->dice, 0, 2 * MS));
}

/* --- its beginning ---------------------------------------------------------------------------- */

static void accept_wire(struct session *s, int64_t at_us)
{
    s->is_live = true;
    s->server->live++;
    s->server->opened++;
    arrange_arrival(s, ARRIVAL_OPENED, at_us);
    const int *odds = s->server->odds;
    if (dice_hits(&s->server->dice, odds[FAULT_LOST_IDLE] + odds[FAULT_LOST_SILENTLY]))
        happening_arrange(&s->dies, at_us + dice_below(&s->server->dice, 5 * SECOND));
}

static void connect_session(struct session *s)
{
    struct server *server = s->server;
    enum fault fault = server_count(server, FAULT_REFUSED, FAULT_NO_OPEN);
    if (fault ==
        FAULT_NONE) /* by dice also what shows later only, and is no failure of this verb */
        fault = server_roll(server, FAULT_REFUSED, FAULT_SLOW_PEER);
    int64_t at_us = soon_us(s, 50, 3 * MS);
    if (fault == FAULT_REFUSED || world_time_us() < server->down_until_us)
        fail(s, ERROR_UNREACHABLE, "", "connection refused", at_us);
    else if (fault == FAULT_DENIED)
        fail(s, ERROR_DENIED, "28P01", "password authentication failed", at_us);
    else if (fault == FAULT_FULL || (server->room > 0 && server->live >= server->room))
        fail(s, ERROR_BUSY, "53300", "too many clients", at_us);
    else if (fault == FAULT_UNFIT)
        fail(s, ERROR_UNFIT, "", "not what is wanted this time", at_us);
    else if (fault != FAULT_NO_OPEN && s->wants != NULL &&
             (strcmp(s->wants, "standby") == 0) != server->is_standby)
        fail(s, ERROR_UNFIT, "", "not what is wanted", at_us);
    else if (fault != FAULT_NO_OPEN) {
        s->is_mute = fault == FAULT_HALF_OPEN;
        s->is_slow = fault == FAULT_SLOW_PEER;
        accept_wire(s, fault == FAULT_SLOW_OPEN ? soon_us(s, 5 * MS, 1500 * MS) : at_us);
    }
}

static void notices(struct happening *h);

void wire_connect(struct wire *w, struct server *server, int32_t role)
{
    CHECK(role >= 0 && role < SERVER_ROLES);
    struct session *s = outside_new(sizeof *s);
    s->server = server;
    s->wire = w;
    s->role = role;
    s->wants = w->wants;
    node_init(&s->node);
    list_push_tail(&server->sessions, &s->node);
    happening_init(&s->acts, acts);
    happening_init(&s->arrives, arrives);
    happening_init(&s->dies, dies);
    happening_init(&s->hits, hits);
    happening_init(&s->returns, returns);
    happening_init(&s->notices, notices);
    happening_init(&s->speaks, speaks);
    w->session = s;
    w->server = server;
    w->role = role;
    if (++server->wires[role] > server->cap[role])
        law_broken("%s: %d connections of role %d, %d is the cap", server->name,
                   server->wires[role], role, server->cap[role]);
    connect_session(s);
}

void wire_break(struct wire *w)
{
    if (w->session->is_live)
        session_lose(w->session, "the connection broke");
}

/* --- hanging up ------------------------------------------------------------------------------- */

/* The server learns that its client has gone. What runs may run to its end all the same. */
static void notices(struct happening *h)
{
    struct session *s = container_of(h, struct session, notices);
    if (!happening_is_due(&s->acts) || dice_hits(&s->server->dice, 500))
        session_end(s);
}

static void closes(struct happening *h)
{
    struct wire *w = container_of(h, struct wire, closing);
    if (is_put_off(w, h))
        return;
    w->server->wires[w->role]--;
    w->closed(w);
}

void wire_hang_up(struct wire *w)
{
    struct session *s = w->session;
    w->session = NULL;
    s->wire = NULL;
    enum fault fault = fate(s->server, FAULT_CLOSE_SLOW, FAULT_CLOSE_SLOW);
    happening_init(&w->closing, closes);
    happening_arrange(&w->closing, soon_us(s, 10, fault == FAULT_CLOSE_SLOW ? SECOND : MS));
    happening_forget(&s->arrives);
    happening_forget(&s->returns);
    if (s->is_live)
        happening_arrange(&s->notices, soon_us(s, 10, 20 * MS));
    else
        session_end(s);
}
