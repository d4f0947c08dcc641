/* foreign.c - a driver of ours for each one of theirs: it turns what core/driver.h says into the
 * words of nebula_driver.h and back.
 *
 * The structs of the core may change with any version of nebula, those of nebula_driver.h may not.
 * What a driver of ours has to take care of at its end (a thread, a name that is being looked up)
 * is taken care of here, and what its author gets wrong is noticed here.
 */
#include "drivers/foreign.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/blocking.h"
#include "nebula_driver.h"

struct foreign {
    struct driver ours;
    struct nebula_driver theirs;
};

/* Behind each struct conn. */
struct link {
    struct target target;
    struct nebula_target to;
    struct request *request; /* under way */
    struct nebula_driver_request asked;
    struct watch watch;
    struct soon soon;
    struct resolve *resolve;
    struct blocking *thread; /* NULL before the first work() */
    struct job job;
    void (*work)(struct nebula_conn *c);
    bool is_working, is_closing;
    bool is_inside; /* a verb has not returned: nothing may be said */
    struct nebula_conn theirs __attribute__((aligned(16))); /* and the rest of their struct */
};

struct foreign_result {
    struct result ours;
    const struct nebula_result_type *type;
    void *theirs;
};

static struct link *link_of(const struct nebula_conn *c)
{
    return container_of((struct nebula_conn *)c, struct link, theirs);
}

static struct conn *ours(const struct nebula_conn *c)
{
    return conn_of(link_of(c));
}

static const struct nebula_driver *driver_of(const struct nebula_conn *c)
{
    return &container_of(ours(c)->driver, struct foreign, ours)->theirs;
}

/* --- results ---------------------------------------------------------------------------------- */

static void result_cell(const struct result *r, int32_t row, int32_t column,
                        struct nebula_value *out)
{
    const struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->cell(f->theirs, row, column, out);
}

static void result_column(const struct result *r, int32_t column, struct nebula_column *out)
{
    const struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->column(f->theirs, column, out);
}

static void result_free(struct result *r)
{
    struct foreign_result *f = container_of(r, struct foreign_result, ours);
    f->type->free(f->theirs);
    free(f);
}

static const struct result_type result_type = {
    .cell = result_cell, .column = result_column, .free = result_free};

static struct result *result_new(const struct nebula_driver_reply *said)
{
    struct foreign_result *f = malloc(sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct foreign_result){
        .ours = {.type = &result_type, .rows = said->rows, .columns = said->columns},
        .type = said->result_type,
        .theirs = said->result};
    return &f->ours;
}

/* --- what they say ---------------------------------------------------------------------------- */

static struct link *speaker(struct nebula_conn *c)
{
    struct link *l = link_of(c);
    CHECK(!l->is_inside); /* an end is said later, never inside the verb: engine->soon(c) */
    return l;
}

static enum error_code code_of(int32_t code)
{
    return code > ERROR_OK && code < ERROR_COUNT ? (enum error_code)code : ERROR_SERVER;
}

static void say_opened(struct nebula_conn *c)
{
    conn_opened(conn_of(speaker(c)));
}

static void fill(struct reply *r, const struct nebula_driver_reply *said)
{
    r->changed = said->changed;
    r->last_id = said->last_id;
    r->more = said->more;
    r->is_partial = said->is_partial;
    if (said->code != 0) {
        error_set(&r->error, code_of(said->code), "%s", said->text != NULL ? said->text : "");
        snprintf(r->error.state, sizeof r->error.state, "%s",
                 said->state != NULL ? said->state : "");
    }
    if (said->result == NULL || (r->result = result_new(said)) != NULL)
        return;
    said->result_type->free(said->result);
    r->is_partial = true; /* the server did it, and nobody knows what */
    error_set(&r->error, ERROR_MEMORY, "no memory for the rows of a reply");
}

static void say_replied(struct nebula_conn *c, const struct nebula_driver_reply *said)
{
    struct link *l = speaker(c);
    struct request *r = l->request;
    CHECK(r != NULL && (said->result == NULL || said->result_type != NULL));
    l->request = NULL;
    fill(&r->reply, said);
    ours(c)->session = (uint32_t)said->session & (SESSION_IN_TRANSACTION | SESSION_DIRTY |
                                                  SESSION_STREAMING | SESSION_SPOILED);
    conn_replied(ours(c), r);
}

_Static_assert((int)NEBULA_IN_TRANSACTION == (int)SESSION_IN_TRANSACTION &&
                   (int)NEBULA_DIRTY == (int)SESSION_DIRTY &&
                   (int)NEBULA_STREAMING == (int)SESSION_STREAMING &&
                   (int)NEBULA_UNUSABLE == (int)SESSION_SPOILED,
               "a session's bits are passed as they are");

static void say_failed(struct nebula_conn *c, int32_t code, const char *text)
{
    struct error why;
    error_set(&why, code_of(code), "%s: %s", conn_resource(ours(c)), text);
    conn_failed(conn_of(speaker(c)), &why);
}

static void say_cancelled(struct nebula_conn *c)
{
    conn_cancelled(conn_of(speaker(c)));
}

static void say_closed(struct nebula_conn *c)
{
    struct link *l = speaker(c);
    struct loop *loop = conn_loop(conn_of(l));
    CHECK(l->is_closing && !l->is_working);
    loop_unwatch(loop, &l->watch);
    loop_unsoon(loop, &l->soon);
    if (l->thread != NULL)
        blocking_free(&l->thread);
    conn_closed(conn_of(l));
}

static void say_notice(struct nebula_conn *c, const char *text)
{
    conn_notice(ours(c), text);
}

static void say_told(struct nebula_conn *c, const char *channel, const char *bytes, uint32_t size,
                     int64_t from)
{
    const struct told told = {.channel = channel, .bytes = bytes, .size = size, .from = from};
    conn_told(ours(c), &told);
}

/* --- what they ask for ------------------------------------------------------------------------ */

static const char *option(const struct nebula_conn *c, const char *name, const char *fallback)
{
    return target_get(&link_of(c)->target, name, fallback);
}

static int64_t now_us(const struct nebula_conn *c)
{
    return loop_now_us(conn_loop(ours(c)));
}

static void watch_ready(struct watch *w, int events)
{
    struct link *l = container_of(w, struct link, watch);
    driver_of(&l->theirs)->ready(&l->theirs, events);
}

static bool watch(struct nebula_conn *c, int32_t fd, int32_t events)
{
    struct link *l = link_of(c);
    CHECK(driver_of(c)->ready != NULL);
    if (events != 0)
        return loop_watch(conn_loop(ours(c)), &l->watch, fd, events);
    loop_unwatch(conn_loop(ours(c)), &l->watch);
    return true;
}

_Static_assert((int)NEBULA_READ == (int)WATCH_READ && (int)NEBULA_WRITE == (int)WATCH_WRITE,
               "events are passed as they are");

static void soon_came(struct soon *s)
{
    struct link *l = container_of(s, struct link, soon);
    driver_of(&l->theirs)->soon(&l->theirs);
}

static void soon(struct nebula_conn *c)
{
    CHECK(driver_of(c)->soon != NULL);
    loop_soon(conn_loop(ours(c)), &link_of(c)->soon);
}

static void resolved(void *data, const struct resolved *found, const struct error *error)
{
    struct link *l = data;
    struct nebula_conn *c = &l->theirs;
    l->resolve = NULL;
    if (error->code != ERROR_OK) {
        driver_of(c)->resolved(c, NULL, error->text);
        return;
    }
    const struct nebula_addresses list = {
        .count = found->count, .address = found->address, .size = found->size};
    driver_of(c)->resolved(c, &list, NULL);
}

static bool resolve(struct nebula_conn *c, const char *host, const char *service)
{
    struct link *l = link_of(c);
    CHECK(driver_of(c)->resolved != NULL && l->resolve == NULL);
    l->resolve = loop_resolve(conn_loop(ours(c)), host, service, resolved, l);
    return l->resolve != NULL;
}

static void run(struct job *j)
{
    struct link *l = container_of(j, struct link, job);
    l->work(&l->theirs);
}

static void begin_close(struct link *l);

static void done(struct job *j)
{
    struct link *l = container_of(j, struct link, job);
    l->is_working = false;
    if (l->is_closing)
        begin_close(l);
    else
        driver_of(&l->theirs)->worked(&l->theirs);
}

static bool work(struct nebula_conn *c, void (*run_theirs)(struct nebula_conn *c))
{
    struct link *l = link_of(c);
    CHECK(driver_of(c)->worked != NULL && !l->is_working);
    if (l->thread == NULL)
        l->thread = blocking_new(conn_loop(ours(c)), "nebula-work");
    if (l->thread == NULL)
        return false;
    l->is_working = true;
    l->work = run_theirs;
    l->job = (struct job){.run = run, .done = done};
    blocking_run(l->thread, &l->job);
    return true;
}

static const struct nebula_driver_calls calls = {
    .abi = NEBULA_DRIVER_ABI,
    .size = sizeof calls,
    .opened = say_opened,
    .replied = say_replied,
    .failed = say_failed,
    .cancelled = say_cancelled,
    .closed = say_closed,
    .notice = say_notice,
    .option = option,
    .now_us = now_us,
    .watch = watch,
    .soon = soon,
    .resolve = resolve,
    .work = work,
    .told = say_told,
};

/* --- the verbs -------------------------------------------------------------------------------- */

static void open_theirs(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    l->target = *t;
    l->to = (struct nebula_target){
        .resource = t->resource, .option = t->option, .options = t->options, .role = t->role};
    l->theirs.engine = &calls;
    watch_init(&l->watch, watch_ready);
    soon_init(&l->soon, soon_came);
    l->is_inside = true;
    driver_of(&l->theirs)->open(&l->theirs, &l->to);
    l->is_inside = false;
}

static void send_theirs(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    l->request = r;
    l->asked = (struct nebula_driver_request){.verb = (int32_t)r->verb,
                                              .count = r->count,
                                              .value = r->value,
                                              .text = r->text,
                                              .text_size = r->text_size,
                                              .window = r->window,
                                              .deadline_us = r->deadline_us};
    r->is_sent = true; /* as far as anybody can know */
    l->is_inside = true;
    driver_of(&l->theirs)->send(&l->theirs, &l->asked);
    l->is_inside = false;
}

static void cancel_theirs(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    CHECK(l->request == r);
    l->is_inside = true;
    driver_of(&l->theirs)->cancel(&l->theirs);
    l->is_inside = false;
}

static void begin_close(struct link *l)
{
    l->is_inside = true;
    driver_of(&l->theirs)->close(&l->theirs);
    l->is_inside = false;
}

static void close_theirs(struct conn *c)
{
    struct link *l = conn_driver(c);
    l->is_closing = true;
    if (l->resolve != NULL)
        resolve_forget(&l->resolve);
    if (!l->is_working)
        begin_close(l);
}

/* --- the driver ------------------------------------------------------------------------------- */

static bool is_whole(const struct nebula_driver *d)
{
    return d->open != NULL && d->send != NULL && d->close != NULL &&
           d->conn_size >= sizeof(struct nebula_conn);
}

/* An older driver has a smaller struct, whose missing members are NULL. */
static struct foreign *adopt(const char *path, const struct nebula_driver *d, struct error *e)
{
    if (d->abi != NEBULA_DRIVER_ABI || d->size > sizeof *d) {
        error_set(e, ERROR_CONFIG,
                  "the driver %s was built for another version of nebula: build it anew", path);
        return NULL;
    }
    struct foreign *f = calloc(1, sizeof *f);
    if (f == NULL) {
        error_set(e, ERROR_MEMORY, "no memory for the driver %s", path);
        return NULL;
    }
    memcpy(&f->theirs, d, d->size);
    if (!is_whole(&f->theirs)) {
        free(f);
        error_set(
            e, ERROR_CONFIG,
            "the driver %s has not all of open, send and close, or its conn_size is too small "
            "for a struct nebula_conn",
            path);
        return NULL;
    }
    return f;
}

const struct driver *foreign_new(const char *path, struct error *e)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct nebula_driver *d = object != NULL ? dlsym(object, "nebula_driver") : NULL;
    if (d == NULL) {
        error_set(e, ERROR_CONFIG, "the driver cannot be loaded: %s", dlerror());
        return NULL;
    }
    struct foreign *f = adopt(path, d, e);
    if (f == NULL)
        return NULL;
    f->ours = (struct driver){.name = "foreign",
                              .size = sizeof(struct link) + f->theirs.conn_size -
                                      sizeof(struct nebula_conn),
                              .open = open_theirs,
                              .send = send_theirs,
                              .cancel = f->theirs.cancel != NULL ? cancel_theirs : NULL,
                              .close = close_theirs};
    return &f->ours;
}

void foreign_free(const struct driver *d)
{
    if (d->open == open_theirs)
        free(container_of(d, struct foreign, ours));
}
