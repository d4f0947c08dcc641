/* watch_uv.c - descriptors, folders and signals of core/loop.h over libuv.
 *
 * libuv's handles end asynchronously while ours end at once, so each of them is a small struct of
 * its own that is cut loose and frees itself when libuv is done with it.
 */
#include "core/loop_uv.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/check.h"

struct poll {
    uv_poll_t uv;
    struct watch *watch;
    int fd, events;
};

struct catcher {
    uv_signal_t uv;
    struct signal_watch *watch;
};

struct eye {
    uv_fs_event_t uv;
    struct folder_watch *watch;
};

/* --- descriptors ------------------------------------------------------------------------------ */

_Static_assert((int)WATCH_READ == (int)UV_READABLE && (int)WATCH_WRITE == (int)UV_WRITABLE,
               "events are passed as they are");

static void polled(uv_poll_t *uv, int status, int events);

/* libuv tells the kernel in its next turn. */
static void changed(struct loop *loop)
{
    loop->is_changed = true;
    loop_stir(loop);
}

static bool poll_start(struct poll *p, int events)
{
    p->events = events;
    changed(uv_loop_get_data(uv_handle_get_loop((uv_handle_t *)&p->uv)));
    return uv_poll_start(&p->uv, events, polled) == 0;
}

static void polled(uv_poll_t *uv, int status, int events)
{
    struct poll *p = container_of(uv, struct poll, uv);
    loop_awake(uv);
    /* At an error of the descriptor libuv stops. The owner finds the error by reading or writing,
     * and as long as it does neither it is told again. */
    if (status < 0) {
        events = p->events;
        CHECK(poll_start(p, events));
    }
    p->watch->ready(p->watch, events);
}

static struct poll *poll_new(struct loop *loop, int fd)
{
    struct poll *p = malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    if (uv_poll_init(&loop->uv, &p->uv, fd) != 0) {
        free(p);
        return NULL;
    }
    p->fd = fd;
    p->events = 0;
    loop->handles++;
    return p;
}

static void free_poll(uv_handle_t *uv)
{
    free(container_of((uv_poll_t *)uv, struct poll, uv));
}

void watch_init(struct watch *w, void (*ready)(struct watch *w, int events))
{
    *w = (struct watch){.ready = ready};
}

bool watch_is_on(const struct watch *w)
{
    return w->impl != NULL;
}

bool loop_watch(struct loop *loop, struct watch *w, int fd, int events)
{
    loop_must_be_mine(loop);
    CHECK(events != 0 && (events & ~(WATCH_READ | WATCH_WRITE)) == 0);
    struct poll *p = w->impl;
    if (p != NULL && p->fd == fd && p->events == events)
        return true;
    if (p != NULL && p->fd != fd)
        loop_unwatch(loop, w);
    if (w->impl == NULL && (w->impl = p = poll_new(loop, fd)) == NULL)
        return false;
    p->watch = w;
    CHECK(poll_start(p, events));
    return true;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    loop_must_be_mine(loop);
    struct poll *p = w->impl;
    if (p == NULL)
        return;
    w->impl = NULL;
    p->watch = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&p->uv, free_poll); /* out of epoll at once, freed later */
}

/* --- files ------------------------------------------------------------------------------------ */

static void seen(uv_fs_event_t *uv, const char *name, int events, int status)
{
    (void)name; /* not every system tells it, and whoever reads the folder again needs none */
    (void)events;
    (void)status;
    struct eye *e = container_of(uv, struct eye, uv);
    loop_awake(uv);
    e->watch->changed(e->watch);
}

static void free_eye(uv_handle_t *uv)
{
    free(container_of((uv_fs_event_t *)uv, struct eye, uv));
}

bool loop_watch_folder(struct loop *loop, struct folder_watch *w, const char *path)
{
    loop_must_be_mine(loop);
    struct stat found;
    struct eye *e = stat(path, &found) == 0 && S_ISDIR(found.st_mode) ? malloc(sizeof *e) : NULL;
    if (e == NULL)
        return false;
    if (uv_fs_event_init(&loop->uv, &e->uv) != 0) {
        free(e);
        return false;
    }
    e->watch = w;
    w->impl = e;
    loop->handles++;
    changed(loop);
    if (uv_fs_event_start(&e->uv, seen, path, 0) == 0)
        return true;
    loop_unwatch_folder(loop, w);
    return false;
}

void loop_unwatch_folder(struct loop *loop, struct folder_watch *w)
{
    loop_must_be_mine(loop);
    struct eye *e = w->impl;
    if (e == NULL)
        return;
    w->impl = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&e->uv, free_eye);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void caught(uv_signal_t *uv, int signum)
{
    struct catcher *c = container_of(uv, struct catcher, uv);
    loop_awake(uv);
    c->watch->arrived(c->watch, signum);
}

static void free_catcher(uv_handle_t *uv)
{
    free(container_of((uv_signal_t *)uv, struct catcher, uv));
}

bool loop_signal(struct loop *loop, struct signal_watch *s, int signum)
{
    loop_must_be_mine(loop);
    struct catcher *c = malloc(sizeof *c);
    if (c == NULL)
        return false;
    if (uv_signal_init(&loop->uv, &c->uv) != 0) {
        free(c);
        return false;
    }
    c->watch = s;
    s->impl = c;
    loop->handles++;
    changed(loop);
    if (uv_signal_start(&c->uv, caught, signum) == 0)
        return true;
    loop_unsignal(loop, s);
    return false;
}

void loop_unsignal(struct loop *loop, struct signal_watch *s)
{
    loop_must_be_mine(loop);
    struct catcher *c = s->impl;
    if (c == NULL)
        return;
    s->impl = NULL;
    loop->handles--;
    uv_close((uv_handle_t *)&c->uv, free_catcher);
}
