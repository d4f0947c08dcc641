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
#include "core/context.h"
#include "drivers/foreign_reply.h"

#define DEPTH_MOST 64

struct foreign {
    struct driver ours;
    struct nebula_driver theirs;
    size_t reply_size; /* of its header's struct nebula_driver_reply */
    size_t asked_at;   /* bytes from the link to the room for requests */
};

/* Those under way, in a ring behind their struct with room for as many as there may be. */
struct asked {
    uint32_t first, count;
    struct nebula_driver_request *room;
};

/* Behind each struct conn. */
struct link {
    struct target target;
    struct nebula_target to;
    struct asked asked;
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

static struct link *link_of(const struct nebula_conn *c)
{
    return container_of((struct nebula_conn *)c, struct link, theirs);
}

static struct conn *ours(const struct nebula_conn *c)
{
    return conn_of(link_of(c));
}

static const struct foreign *foreign_of(const struct driver *d)
{
    return container_of((struct driver *)d, struct foreign, ours);
}

static const struct nebula_driver *driver_of(const struct nebula_conn *c)
{
    return &foreign_of(ours(c)->driver)->theirs;
}

static size_t reply_size(const struct nebula_conn *c)
{
    return foreign_of(ours(c)->driver)->reply_size;
}

/* What the author of a driver got wrong is said in his words, and ends the process: whatever came
 * after it would be harder to understand. */
static void must(const struct nebula_conn *c, bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "nebula: the driver of %s breaks a rule of nebula_driver.h: %s\n",
            conn_resource(ours(c)), rule);
    abort();
}

/* --- what they say ---------------------------------------------------------------------------- */

static struct link *speaker(struct nebula_conn *c)
{
    struct link *l = link_of(c);
    must(c, !l->is_inside, "nothing is said inside a verb; ask for soon()");
    return l;
}

static void say_opened(struct nebula_conn *c)
{
    struct link *l = speaker(c);
    must(c, l->is_closing || ours(c)->state == CONN_OPENING, "opened() is said once");
    conn_opened(conn_of(l));
}

/* What was under way when it began to close has no end but closed(). */
static bool is_heard(struct link *l, const struct nebula_driver_reply *said)
{
    must(&l->theirs, said->result == NULL || said->result_type != NULL,
         "a result wants a result_type");
    if (l->is_closing)
        foreign_forget(said);
    return !l->is_closing;
}

static void say_replied(struct nebula_conn *c, const struct nebula_driver_reply *said)
{
    struct link *l = speaker(c);
    if (!is_heard(l, said))
        return;
    struct request *r = conn_head(conn_of(l));
    must(c, l->asked.count > 0, "replied() to no request");
    l->asked.count--;
    l->asked.first++;
    foreign_fill(&r->reply, said, reply_size(c));
    conn_of(l)->session = (uint32_t)said->session & (SESSION_IN_TRANSACTION | SESSION_DIRTY |
                                                     SESSION_STREAMING | SESSION_SPOILED);
    conn_replied(conn_of(l), r);
}

static struct request *part_of(const struct nebula_conn *c, int32_t i)
{
    const struct request *r = conn_head(ours(c));
    must(c, r != NULL && r->verb == NEBULA_BATCH && i >= 1 && i <= r->parts,
         "there is no such part of a batch under way; the first is 1");
    return &r->part[i - 1].request;
}

static void say_part_replied(struct nebula_conn *c, int32_t i,
                             const struct nebula_driver_reply *said)
{
    struct link *l = speaker(c);
    if (!is_heard(l, said))
        return;
    struct request *part = part_of(c, i);
    must(c, part->reply.is_unanswered, "a part is replied to once");
    part->reply.is_unanswered = false;
    foreign_fill(&part->reply, said, reply_size(c));
}

_Static_assert((int)NEBULA_IN_TRANSACTION == (int)SESSION_IN_TRANSACTION &&
                   (int)NEBULA_DIRTY == (int)SESSION_DIRTY &&
                   (int)NEBULA_STREAMING == (int)SESSION_STREAMING &&
                   (int)NEBULA_UNUSABLE == (int)SESSION_SPOILED,
               "a session's bits are passed as they are");

static void say_failed(struct nebula_conn *c, int32_t code, const char *text)
{
    struct error why;
    error_set(&why, foreign_code(code), "%s: %s", conn_resource(ours(c)), text);
    conn_failed(conn_of(speaker(c)), &why);
}

static void say_turned(struct nebula_conn *c)
{
    conn_turned(conn_of(speaker(c)));
}

static void say_cancelled(struct nebula_conn *c)
{
    struct link *l = speaker(c);
    must(c, l->is_closing || ours(c)->is_cancel_sent, "cancelled() is said once, after cancel()");
    conn_cancelled(conn_of(l));
}

static void say_closed(struct nebula_conn *c)
{
    struct link *l = speaker(c);
    struct loop *loop = conn_loop(conn_of(l));
    must(c, l->is_closing && !l->is_working, "closed() is said once, after close()");
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
    conn_told(conn_of(speaker(c)), &told);
}

/* --- what they ask for ------------------------------------------------------------------------ */

static const char *option(const struct nebula_conn *c, const char *name, const char *fallback)
{
    return target_get(&link_of(c)->target, name, fallback);
}

static void part(const struct nebula_conn *c, int32_t i, struct nebula_part *out)
{
    const struct request *r = part_of(c, i);
    *out = (struct nebula_part){
        .text = r->text, .text_size = r->text_size, .count = r->count, .value = r->value};
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
    must(c, driver_of(c)->ready != NULL, "watch() wants a ready()");
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
    must(c, driver_of(c)->soon != NULL, "soon() wants a soon() of the driver's");
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
    must(c, driver_of(c)->resolved != NULL && l->resolve == NULL,
         "resolve() wants a resolved(), and is asked for one name at a time");
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
    must(c, driver_of(c)->worked != NULL && !l->is_working,
         "work() wants a worked(), and has one job at a time");
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
    .part = part,
    .part_replied = say_part_replied,
    .turned = say_turned,
};

/* --- the verbs -------------------------------------------------------------------------------- */

static void open_theirs(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    l->target = *t;
    l->to = (struct nebula_target){.resource = t->resource,
                                   .option = t->option,
                                   .options = t->options,
                                   .role = t->role,
                                   .endpoint = t->endpoint,
                                   .is_easy = t->is_easy};
    l->asked.room = (void *)((char *)l + foreign_of(c->driver)->asked_at);
    l->theirs.engine = &calls;
    watch_init(&l->watch, watch_ready);
    soon_init(&l->soon, soon_came);
    l->is_inside = true;
    driver_of(&l->theirs)->open(&l->theirs, &l->to);
    l->is_inside = false;
}

static struct nebula_driver_request request_of(const struct request *r)
{
    return (struct nebula_driver_request){.verb = (int32_t)r->verb,
                                          .count = r->count,
                                          .value = r->value,
                                          .text = r->text,
                                          .text_size = r->text_size,
                                          .window = r->window,
                                          .deadline_us = r->deadline_us,
                                          .parts = r->parts,
                                          .is_each = r->is_each,
                                          .traceparent = context_traceparent(r->context)};
}

/* As far as anybody can know. */
static void mark_sent(struct request *r)
{
    r->is_sent = true;
    for (int32_t i = 0; i < r->parts; i++)
        r->part[i].request.is_sent = true;
}

static void send_theirs(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    uint32_t depth = (uint32_t)c->driver->depth, at = l->asked.first + l->asked.count++;
    CHECK(l->asked.count <= depth);
    l->asked.room[at % depth] = request_of(r);
    mark_sent(r);
    l->is_inside = true;
    driver_of(&l->theirs)->send(&l->theirs, &l->asked.room[at % depth]);
    l->is_inside = false;
}

static bool may_share_theirs(const struct driver *d, const struct request *r)
{
    const struct nebula_driver_request asked = request_of(r);
    return foreign_of(d)->theirs.may_share(&asked);
}

static void cancel_theirs(struct conn *c, struct request *r)
{
    struct link *l = conn_driver(c);
    CHECK(l->asked.count > 0 && conn_head(c) == r);
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
           d->conn_size >= sizeof(struct nebula_conn) && d->depth >= 0 && d->depth <= DEPTH_MOST &&
           (d->depth <= 1 || d->may_share != NULL);
}

/* Of the header that a driver was compiled with: the first one had no depth, and shorter replies. */
static size_t reply_size_of(const struct nebula_driver *d)
{
    return d->size <= offsetof(struct nebula_driver, depth)
               ? offsetof(struct nebula_driver_reply, part)
               : sizeof(struct nebula_driver_reply);
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
    f->reply_size = reply_size_of(d);
    if (!is_whole(&f->theirs)) {
        free(f);
        error_set(e, ERROR_CONFIG,
                  "the driver %s has not all of open, send and close; or its conn_size is too "
                  "small for a struct nebula_conn; or its depth is not 0 to %d, with may_share "
                  "from 2 on",
                  path, DEPTH_MOST);
        return NULL;
    }
    return f;
}

/* Behind each connection: the link, the rest of their struct, and the requests under way. */
static void make_ours(struct foreign *f)
{
    const struct nebula_driver *d = &f->theirs;
    const size_t align = _Alignof(struct nebula_driver_request);
    size_t end = offsetof(struct link, theirs) + d->conn_size;
    int32_t depth = d->depth > 1 ? d->depth : 1;
    f->asked_at = (end + align - 1) / align * align;
    f->ours =
        (struct driver){.name = "foreign",
                        .size = f->asked_at + (size_t)depth * sizeof(struct nebula_driver_request),
                        .takes_batches = d->takes_batches,
                        .depth = depth,
                        .may_share = may_share_theirs,
                        .open = open_theirs,
                        .send = send_theirs,
                        .cancel = d->cancel != NULL ? cancel_theirs : NULL,
                        .close = close_theirs};
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
    make_ours(f);
    return &f->ours;
}

void foreign_free(const struct driver *d)
{
    if (d->open == open_theirs)
        free(container_of(d, struct foreign, ours));
}
