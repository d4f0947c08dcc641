/* foreign_calls.c - what a driver from outside says and asks for, in the words of nebula_driver.h. What
 * its author gets wrong is noticed here.
 */
#include <stdlib.h>

#include "base/check.h"
#include "drivers/foreign_link.h"
#include "drivers/foreign_reply.h"

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
    l->asked.first = (l->asked.first + 1) % (uint32_t)conn_driven_by(conn_of(l))->depth;
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

static void done(struct job *j)
{
    struct link *l = container_of(j, struct link, job);
    l->is_working = false;
    if (l->is_closing)
        foreign_close(l);
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

void foreign_give_calls(struct link *l)
{
    l->theirs.engine = &calls;
    watch_init(&l->watch, watch_ready);
    soon_init(&l->soon, soon_came);
}
