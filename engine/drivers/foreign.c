/* foreign.c - a driver of ours for each one of theirs: it turns what core/driver.h says into the
 * words of nebula_driver.h and back.
 *
 * The structs of the core may change with any version of nebula, those of nebula_driver.h may not.
 * What a driver of ours has to take care of at its end (a thread, a name that is being looked up)
 * is taken care of here.
 */
#include "drivers/foreign.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/context.h"
#include "drivers/foreign_link.h"

#define DEPTH_MOST 64

/* --- the verbs -------------------------------------------------------------------------------- */

static struct nebula_target target_of(const struct target *t)
{
    return (struct nebula_target){.resource = t->resource,
                                  .option = t->option,
                                  .options = t->options,
                                  .role = t->role,
                                  .endpoint = t->endpoint,
                                  .is_easy = t->is_easy};
}

static bool check_theirs(const struct driver *d, const struct target *t, struct error *e)
{
    const struct nebula_target to = target_of(t);
    char why[ERROR_TEXT_SIZE] = "";
    if (foreign_of(d)->theirs.check(&to, why, sizeof why))
        return true;
    error_set(e, ERROR_CONFIG, "%s: %s", t->resource, why);
    return false;
}

static void open_theirs(struct conn *c, const struct target *t)
{
    struct link *l = conn_driver(c);
    l->target = *t;
    l->to = target_of(t);
    l->asked.room = (void *)((char *)l + foreign_of(conn_driven_by(c))->asked_at);
    foreign_give_calls(l);
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
    uint32_t depth = (uint32_t)conn_driven_by(c)->depth,
             at = (l->asked.first + l->asked.count++) % depth;
    CHECK(l->asked.count <= depth);
    l->asked.room[at] = request_of(r);
    mark_sent(r);
    l->is_inside = true;
    driver_of(&l->theirs)->send(&l->theirs, &l->asked.room[at]);
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

void foreign_close(struct link *l)
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
        foreign_close(l);
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
                        .close = close_theirs,
                        .check = d->check != NULL ? check_theirs : NULL};
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
