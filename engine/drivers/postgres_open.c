/* postgres_open.c - an address, then libpq's handshake, then a session whose words we can read.
 *
 * libpq would look up a name inside PQconnectStart() and block, so the name is looked up by the
 * loop and each address is tried in turn; one that keeps silent has its share of the time for
 * connecting, no more. libpq still gets the name, to check the server's certificate against it.
 *
 * Options have libpq's names and go to it as they are. What is ours:
 *   options            DateStyle, IntervalStyle, extra_float_digits, bytea_output: so that values
 *                      look the same whatever the role or the database has set; what the declaration
 *                      says comes behind and wins
 *   client_encoding    UTF8: text is UTF-8 everywhere in the engine
 *   application_name   nebula and the resource's name unless declared
 *   gssencmode         disable unless declared: looking for a ticket may block in DNS
 *   tcp_user_timeout   10 s unless declared; also the bound of PQcancel()'s socket
 *   passfile           none unless declared: the kind has read it, and libpq would at each connect
 * What the role needs of the server (target_session_attrs) libpq finds out, at this one address.
 * The time zone is left alone: it is part of what the user's statements mean.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "drivers/postgres.h"

#define OPTIONS_MOST 64
#define OPTIONS_OURS 8
#define ROOM (1 << 20)           /* of addresses, for what computes in a handshake */
#define NOWHERE "/dev/null/none" /* no file can be there */
#define PINNED                                                                                     \
    "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=3 -c bytea_output=hex"

struct words {
    const char *name[OPTIONS_MOST + OPTIONS_OURS];
    const char *value[OPTIONS_MOST + OPTIONS_OURS];
    int count;
    char options[1024], application[PG_NAME_MOST];
};

static void add(struct words *w, const char *name, const char *value)
{
    CHECK((size_t)w->count + 1 < COUNT(w->name));
    w->name[w->count] = name;
    w->value[w->count++] = value;
}

static void add_default(struct words *w, const struct target *t, const char *name,
                        const char *value)
{
    if (target_get(t, name, NULL) == NULL)
        add(w, name, value);
}

/* Options of the driver itself. */
static bool is_ours(const char *name)
{
    return strcmp(name, "trace") == 0 || strcmp(name, "statements") == 0;
}

/* False when there is no room; libpq says what it thinks of names it does not know. */
static bool collect(struct words *w, const struct postgres *p, const char *address)
{
    const struct target *t = p->target;
    *w = (struct words){0};
    for (int32_t i = 0; i < t->options; i++) {
        if (!target_has(t, &t->option[i]) || is_ours(t->option[i].name))
            continue;
        if (w->count == OPTIONS_MOST)
            return false;
        add(w, t->option[i].name, t->option[i].value);
    }
    int size = snprintf(w->options, sizeof w->options, PINNED " %s", target_get(t, "options", ""));
    add(w, "options", w->options); /* of two, libpq takes the last */
    add(w, "client_encoding", "UTF8");
    pg_trace_name(w->application, t);
    add_default(w, t, "application_name", w->application);
    add_default(w, t, "gssencmode", "disable");
    add_default(w, t, "tcp_user_timeout", "10000");
    add_default(w, t, "passfile", NOWHERE);
    if (t->is_easy)
        add(w, PG_WANTS, "any");
    if (address != NULL)
        add(w, "hostaddr", address);
    return size < (int)sizeof w->options;
}

/* --- what the server says besides ------------------------------------------------------------- */

static bool is_beside(const struct postgres *p)
{
    return p->opening != NULL && p->opening->is_polling;
}

/* Of one that is lost it is known why. */
static void keep_last_words(struct postgres *p, const PGresult *res)
{
    if (!is_beside(p) && p->phase >= PG_LOST)
        return;
    if (p->why == NULL)
        p->why = malloc(sizeof *p->why);
    if (p->why != NULL)
        pg_error_of_result(p->why, pg_resource(p), res);
}

/* libpq hands over notices here, and errors that come while no statement runs: the server's last
 * words. In a handshake it may do so beside the loop, where the core is not to be called. */
static void noticed(void *data, const PGresult *res)
{
    struct postgres *p = data;
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY);
    const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    pg_doubt_notice(p, res);
    if (state != NULL && (pg_is_fatal(res) || strncmp(state, "57P", 3) == 0)) {
        keep_last_words(p, res);
        return;
    }
    char here[ERROR_TEXT_SIZE], *heard = is_beside(p) ? p->opening->heard : here;
    snprintf(heard, ERROR_TEXT_SIZE, "%s: %s", severity != NULL ? severity : "NOTICE",
             primary != NULL ? primary : PQresultErrorMessage(res));
    if (heard == here)
        conn_notice(conn_of(p), heard);
}

/* --- the handshake ---------------------------------------------------------------------------- */

static void failed(struct postgres *p, ConnStatusType was);

static void opened(struct postgres *p)
{
    if (PQsetnonblocking(p->pg, 1) != 0) {
        failed(p, p->opening->was);
        return;
    }
    p->phase = PG_IDLE;
    pg_open_stop(p);
    pg_watch(p, WATCH_READ);
    if (p->phase == PG_IDLE)
        conn_opened(conn_of(p));
}

static void go_by(struct postgres *p, PostgresPollingStatusType polled)
{
    switch (polled) {
    case PGRES_POLLING_READING:
        pg_watch(p, WATCH_READ);
        return;
    case PGRES_POLLING_WRITING:
        pg_watch(p, WATCH_WRITE);
        return;
    case PGRES_POLLING_OK:
        opened(p);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        failed(p, p->opening->was);
        return;
    }
    UNREACHABLE();
}

/* Beside the loop, which else would stand still for 5 ms for each password. One thread does for all
 * connections, because PQconnectPoll() waits for nobody. */
static void poll_there(struct job *j)
{
    struct postgres *p = container_of(j, struct pg_opening, poll)->owner;
    p->opening->polled = PQconnectPoll(p->pg);
}

static void polled_there(struct job *j)
{
    struct postgres *p = container_of(j, struct pg_opening, poll)->owner;
    p->opening->is_polling = false;
    if (p->phase == PG_CLOSED) {
        pg_open_stop(p);
        pg_closed(p);
        return;
    }
    if (p->opening->heard[0] != '\0')
        conn_notice(conn_of(p), p->opening->heard);
    go_by(p, p->opening->polled);
}

/* Certificates, the key of a session, a ticket, the thousands of rounds that prove a password. */
static bool computes(ConnStatusType status)
{
    return status == CONNECTION_SSL_STARTUP || status == CONNECTION_GSS_STARTUP ||
           status == CONNECTION_AWAITING_RESPONSE;
}

/* While libcrypto 3.0 starts, the process dies of an allocation that fails. */
static bool has_room(void)
{
    void *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, ROOM) == 0;
}

static void poll_beside(struct postgres *p)
{
    struct blocking *computer = loop_computer(conn_loop(conn_of(p)));
    if (computer == NULL || !has_room()) {
        struct error e;
        error_set(&e, ERROR_MEMORY, "%s: no memory or thread for a handshake", pg_resource(p));
        pg_lose(p, &e);
        return;
    }
    p->opening->heard[0] = '\0';
    p->opening->is_polling = true;
    p->opening->poll = (struct job){.run = poll_there, .done = polled_there};
    blocking_run(computer, &p->opening->poll);
}

static void go_on(struct postgres *p)
{
    /* PQconnectPoll() may close the socket and open another with the same number. */
    loop_unwatch(conn_loop(conn_of(p)), &p->watch);
    p->events = 0;
    p->opening->was = PQstatus(p->pg);
    if (computes(p->opening->was))
        poll_beside(p);
    else
        go_by(p, PQconnectPoll(p->pg));
}

void pg_open_ready(struct postgres *p)
{
    go_on(p);
}

/* address: NULL when libpq needs none from us. */
static void connect_to(struct postgres *p, const char *address)
{
    struct words words;
    struct error e;
    if (!collect(&words, p, address)) {
        error_set(&e, ERROR_CONFIG, "%s: more options, or longer ones, than fit a connection",
                  pg_resource(p));
        pg_lose(p, &e);
        return;
    }
    p->phase = PG_CONNECTING;
    p->pg = PQconnectStartParams(words.name, words.value, 0);
    if (p->pg == NULL) {
        error_set(&e, ERROR_MEMORY, "%s: no memory for a connection", pg_resource(p));
        pg_lose(p, &e);
    } else if (PQstatus(p->pg) == CONNECTION_BAD) {
        failed(p, CONNECTION_BAD);
    } else {
        PQsetErrorVerbosity(p->pg, PQERRORS_VERBOSE); /* see postgres_error.c */
        PQsetNoticeReceiver(p->pg, noticed, p);
        pg_watch(p, WATCH_WRITE);
    }
}

/* The address that is tried now, and those behind it, have equal shares of the time that is left. */
static void share_time(struct postgres *p)
{
    struct loop *loop = conn_loop(conn_of(p));
    int behind = p->opening->found->count - p->opening->next;
    int64_t now_us = loop_now_us(loop), left_us = conn_open_until_us(conn_of(p)) - now_us;
    if (behind > 0)
        loop_arm(loop, &p->opening->turn, now_us + left_us / (behind + 1));
    else
        loop_disarm(loop, &p->opening->turn);
}

static void try_next(struct postgres *p)
{
    char address[NI_MAXHOST];
    int i = p->opening->next++;
    int bad =
        getnameinfo((struct sockaddr *)&p->opening->found->address[i], p->opening->found->size[i],
                    address, sizeof address, NULL, 0, NI_NUMERICHOST);
    struct error e;
    if (bad != 0) {
        error_set(&e, ERROR_UNREACHABLE, "%s: an address of %s cannot be read: %s", pg_resource(p),
                  target_get(p->target, "host", ""), gai_strerror(bad));
        pg_lose(p, &e);
        return;
    }
    share_time(p);
    connect_to(p, address);
}

static void leave_address(struct postgres *p)
{
    loop_unwatch(conn_loop(conn_of(p)), &p->watch);
    p->events = 0;
    PQfinish(p->pg);
    p->pg = NULL;
    try_next(p);
}

/* Whoever proves who he is beside the loop has not kept silent, and libpq is not ours meanwhile. */
static void turn_ended(struct timer *t)
{
    struct postgres *p = container_of(t, struct pg_opening, turn)->owner;
    if (p->phase != PG_CONNECTING)
        return;
    if (p->opening->is_polling)
        share_time(p);
    else
        leave_address(p);
}

/* Only an address where nobody answers makes the next one worth a try. */
static void failed(struct postgres *p, ConnStatusType was)
{
    struct error e;
    pg_error_of_open(&e, pg_resource(p), p->pg, was);
    if (e.code == ERROR_UNREACHABLE && p->opening->found != NULL &&
        p->opening->next < p->opening->found->count) {
        leave_address(p);
        return;
    }
    pg_lose(p, &e);
}

/* --- the name --------------------------------------------------------------------------------- */

static void resolved(void *data, const struct resolved *found, const struct error *error)
{
    struct postgres *p = data;
    struct error e;
    p->opening->resolve = NULL;
    if (error->code != ERROR_OK) {
        error_set(&e, error->code, "%s: %s", pg_resource(p), error->text);
        pg_lose(p, &e);
        return;
    }
    p->opening->found = malloc(sizeof *p->opening->found);
    if (p->opening->found == NULL) {
        error_set(&e, ERROR_MEMORY, "%s: no memory for addresses", pg_resource(p));
        pg_lose(p, &e);
        return;
    }
    *p->opening->found = *found;
    try_next(p);
}

/* A path, an address, or nothing at all (the local socket) needs no looking up. */
static bool is_name(const char *host)
{
    struct in6_addr address;
    return host != NULL && *host != '\0' && *host != '/' && *host != '@' &&
           inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1;
}

static bool is_known(const PQconninfoOption *known, const char *name)
{
    for (; known->keyword != NULL; known++)
        if (strcmp(known->keyword, name) == 0)
            return true;
    return is_ours(name);
}

bool pg_open_check(const struct driver *d, const struct target *t, struct error *e)
{
    (void)d;
    PQconninfoOption *known = PQconninfoParse("", NULL);
    if (known == NULL) {
        error_set(e, ERROR_MEMORY, "%s: no memory to check its options", t->resource);
        return false;
    }
    int32_t i = 0;
    while (i < t->options && is_known(known, t->option[i].name))
        i++;
    PQconninfoFree(known);
    if (i == t->options)
        return true;
    int version = PQlibVersion();
    error_set(e, ERROR_CONFIG, "%s: this libpq, of PostgreSQL %d, has no option %s", t->resource,
              version / 10000, t->option[i].name);
    return false;
}

bool pg_open_init(struct postgres *p)
{
    p->opening = calloc(1, sizeof *p->opening);
    if (p->opening == NULL)
        return false;
    p->opening->owner = p;
    timer_init(&p->opening->turn, turn_ended);
    return true;
}

void pg_open(struct postgres *p)
{
    const char *host = target_get(p->target, "host", getenv("PGHOST"));
    const char *address = target_get(p->target, "hostaddr", NULL);
    struct error e;
    if (target_get(p->target, "service", NULL) != NULL ||
        (host != NULL && strchr(host, ',') != NULL)) {
        error_set(&e, ERROR_CONFIG, "%s: name one host in the declaration: %s is not supported",
                  pg_resource(p), host != NULL && strchr(host, ',') ? "a list" : "a service file");
        pg_lose(p, &e);
    } else if (address != NULL || !is_name(host)) {
        connect_to(p, NULL);
    } else {
        p->phase = PG_RESOLVING;
        p->opening->resolve = loop_resolve(conn_loop(conn_of(p)), host,
                                           target_get(p->target, "port", "5432"), resolved, p);
        if (p->opening->resolve != NULL)
            return;
        error_set(&e, ERROR_MEMORY, "%s: no thread to look up %s", pg_resource(p), host);
        pg_lose(p, &e);
    }
}

void pg_open_stop(struct postgres *p)
{
    struct pg_opening *o = p->opening;
    if (o == NULL)
        return;
    if (o->resolve != NULL)
        resolve_forget(&o->resolve);
    loop_disarm(conn_loop(conn_of(p)), &o->turn);
    free(o->found);
    o->found = NULL;
    if (o->is_polling)
        return;
    free(o);
    p->opening = NULL;
}
