#include "server.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "memory.h"
#include "session.h"

#define SERVERS_MOST 8

static const struct {
    const char *name, *text;
} row[FAULTS] = {
#define AS_ROW(row_name, row_text) [FAULT_##row_name] = {.name = #row_name, .text = (row_text)},
    SERVER_FAULTS(AS_ROW)
#undef AS_ROW
};

const char *fault_name(enum fault f)
{
    return row[f].name;
}

const char *fault_text(enum fault f)
{
    return row[f].text;
}

/* A driver knows its server by name only, as a client library knows a host. */
static struct server *running[SERVERS_MOST];

struct server *server_new(const char *name, uint64_t seed)
{
    struct server *s = outside_new(sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->dice.state = seed;
    s->writer = -1;
    list_init(&s->sessions);
    for (int i = 0; i < SERVER_ROLES; i++)
        s->cap[i] = INT32_MAX;
    for (int i = 0; i < SERVERS_MOST; i++) {
        if (running[i] == NULL) {
            running[i] = s;
            return s;
        }
    }
    UNREACHABLE();
}

void server_free(struct server **server)
{
    struct server *s = *server;
    *server = NULL;
    for (int i = 0; i < SERVERS_MOST; i++) {
        if (running[i] == s)
            running[i] = NULL;
    }
    struct list_node *n;
    while ((n = list_head(&s->sessions)) != NULL) {
        struct session *session = container_of(n, struct session, node);
        session->wire = NULL;
        session_end(session);
    }
    outside_free(s->applied);
    outside_free(s);
}

struct server *server_find(const char *name)
{
    for (int i = 0; i < SERVERS_MOST; i++) {
        if (running[i] != NULL && strcmp(running[i]->name, name) == 0)
            return running[i];
    }
    return NULL;
}

void server_odds(struct server *s, enum fault fault, int permille)
{
    s->odds[fault] = permille;
}

void server_calm(struct server *s)
{
    memset(s->odds, 0, sizeof s->odds);
    s->orders = 0;
    s->fail_until = 0;
    s->down_until_us = 0;
}

void server_order(struct server *s, enum fault fault)
{
    CHECK(s->orders < ORDERS_MOST);
    s->order[s->orders++] = fault;
}

void server_fail(struct server *s, int64_t nth, int32_t times, int32_t way)
{
    s->fail_from = s->verbs + nth;
    s->fail_until = s->fail_from + times;
    s->fail_way = way;
}

bool server_has_failed(const struct server *s)
{
    return s->verbs >= s->fail_from;
}

void server_cap(struct server *s, int32_t role, int32_t most)
{
    s->cap[role] = most;
}

void server_room(struct server *s, int32_t most)
{
    s->room = most;
}

void server_writer(struct server *s, int32_t role)
{
    s->writer = role;
}

void server_standby(struct server *s, bool is_standby)
{
    s->is_standby = is_standby;
}

void server_pace(struct server *s, int64_t pace_us)
{
    s->pace_us = pace_us;
}

void server_watch(struct server *s, struct witness *w)
{
    s->witness = w;
}

void server_crash(struct server *s, int64_t until_us)
{
    s->down_until_us = until_us;
    struct list_node *next;
    for (struct list_node *n = list_head(&s->sessions); n != NULL; n = next) {
        next = list_next(&s->sessions, n);
        struct session *session = container_of(n, struct session, node);
        if (session->is_live)
            session_lose(session, "the server crashed");
    }
}

int64_t server_tell(struct server *s, int64_t channel)
{
    const struct tale t = {.channel = channel, .number = ++s->tales};
    for (struct list_node *n = list_head(&s->sessions); n != NULL; n = list_next(&s->sessions, n))
        session_tell(container_of(n, struct session, node), &t);
    return t.number;
}

int server_applied(const struct server *s, int64_t id)
{
    return id < s->ids ? s->applied[id] : 0;
}

int64_t server_total(const struct server *s)
{
    return s->total;
}

int32_t server_wires(const struct server *s, int32_t role)
{
    return s->wires[role];
}

int32_t server_sessions(const struct server *s)
{
    return s->live;
}

int64_t server_seen(const struct server *s, enum fault fault)
{
    return s->seen[fault];
}

int64_t server_opened(const struct server *s)
{
    return s->opened;
}

int64_t server_heard(const struct server *s)
{
    return s->heard;
}

enum fault server_count(struct server *s, enum fault first, enum fault last)
{
    int64_t number = ++s->verbs;
    bool fails = number >= s->fail_from && number < s->fail_until;
    if (!fails || s->fail_way > (int32_t)last - (int32_t)first)
        return FAULT_NONE;
    enum fault fault = (enum fault)((int32_t)first + s->fail_way);
    s->seen[fault]++;
    return fault;
}

enum fault server_roll(struct server *s, enum fault first, enum fault last)
{
    if (s->orders > 0 && s->order[0] >= first && s->order[0] <= last) {
        enum fault ordered = s->order[0];
        memmove(s->order, s->order + 1, (size_t)--s->orders * sizeof *s->order);
        s->seen[ordered]++;
        return ordered;
    }
    for (int f = (int)first; f <= (int)last; f++) {
        if (dice_hits(&s->dice, s->odds[f])) {
            s->seen[f]++;
            return (enum fault)f;
        }
    }
    return FAULT_NONE;
}

void server_apply(struct server *s, int64_t id, bool is_put)
{
    CHECK(id >= 0);
    if (id >= s->ids) {
        int64_t ids = id * 2 + 64;
        s->applied = outside_resize(s->applied, (size_t)ids * sizeof *s->applied);
        memset(s->applied + s->ids, 0, (size_t)(ids - s->ids) * sizeof *s->applied);
        s->ids = ids;
    }
    if (is_put && s->applied[id] == 1)
        return;
    s->applied[id]++;
    s->total++;
}
