#include "core/engine.h"

#include <string.h>

#include "core/asked.h"
#include "core/hold.h"
#include "core/instances.h"
#include "core/lease.h"
#include "core/lend.h"
#include "core/pool.h"
#include "core/resource.h"
#include "core/task.h"

static void each_resource(struct engine *e, void (*visit)(struct pool *p))
{
    for (int32_t i = 1; i < e->resources.size; i++) {
        struct resource *r = table_get(&e->resources, i);
        if (r != NULL)
            resource_each_pool(r, visit);
    }
}

static void time_is_up(struct timer *t)
{
    each_resource(container_of(t, struct engine, stop_timer), keep_cut);
}

bool engine_init(struct engine *e, struct loop *loop)
{
    const void *thread = __builtin_thread_pointer();
    *e = (struct engine){.thread = thread,
                         .unwatched = thread,
                         .world = loop_world(loop),
                         .loop = loop,
                         .workers = 1,
                         .hits_left = ENGINE_HITS_A_TURN};
    loop_keep(loop, &e->now_us);
    table_init(&e->tickets, ENGINE_TICKETS_MOST);
    table_init(&e->tasks, ENGINE_TASKS_MOST);
    table_init(&e->resources, ENGINE_RESOURCES_MOST);
    table_init(&e->listeners, ENGINE_LISTENERS_MOST);
    index_init(&e->names);
    list_init(&e->alike);
    list_init(&e->rules);
    list_init(&e->places);
    list_init(&e->errands);
    list_init(&e->sentries);
    list_init(&e->ready);
    list_init(&e->asked);
    index_init(&e->instance_names);
    secrets_init(&e->secrets);
    names_init(&e->said);
    log_init(&e->log, -1, LOG_LOGFMT, LOG_NOTHING, &e->secrets);
    timer_init(&e->stop_timer, time_is_up);
    e->task = e->nobody = task_new(e, NULL);
    if (e->nobody == NULL) {
        secrets_fini(&e->secrets);
        table_fini(&e->tasks);
        loop_keep(loop, NULL);
    }
    return e->nobody != NULL;
}

void engine_fini(struct engine *e)
{
    CHECK(e->conns == 0);
    loop_disarm(e->loop, &e->stop_timer);
    loop_keep(e->loop, NULL);
    for (int32_t i = 1; i < e->tasks.size; i++) {
        struct task *t = table_get(&e->tasks, i);
        if (t != NULL)
            task_free(&t);
    }
    for (int32_t i = 1; i < e->resources.size; i++) {
        struct resource *r = table_get(&e->resources, i);
        if (r != NULL)
            resource_free(&r);
    }
    lend_fini(e);
    rooms_fini(&e->rooms);
    lease_fini(&e->leases);
    holds_fini(e);
    asked_fini(e);
    free(e->pools.pool);
    table_fini(&e->tickets);
    table_fini(&e->tasks);
    table_fini(&e->resources);
    table_fini(&e->listeners);
    index_fini(&e->names);
    secrets_fini(&e->secrets);
    names_fini(&e->said);
    free(e->program);
    instances_fini(e);
}

void engine_watch(struct engine *e, struct tracer *t)
{
    e->tracer = t;
    e->unwatched = NULL;
}

void engine_stop(struct engine *e, int64_t at_us)
{
    if (!e->is_stopping) {
        e->is_stopping = true;
        each_resource(e, keep_stop);
    }
    loop_arm(e->loop, &e->stop_timer, at_us);
}

bool engine_is_stopped(const struct engine *e)
{
    return e->is_stopping && e->conns == 0;
}

int32_t engine_refuse(struct engine *e, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_set_list(&e->error, code, format, args);
    va_end(args);
    secret_mask(&e->secrets, e->error.text, strlen(e->error.text));
    return -(int32_t)code;
}

void engine_log(struct engine *e, enum log_level level, const char *text,
                const struct log_field *field, int fields)
{
    log_write(&e->log, level, e->world->wall_us(e->world), text, field, fields);
}

void engine_tell(struct engine *e, enum trace_what what, int32_t resource, int64_t a, int64_t b,
                 int64_t c)
{
    e->tracer->happened(e->tracer, what, engine_now(e), resource, a, b, c);
}
