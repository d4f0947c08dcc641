/* nebula.c - the engine from open to close, its tasks, and what it tells of itself. */
#include "nebula_border.h"

#include <string.h>

#include "core/admin.h"
#include "core/context.h"
#include "core/answer.h"
#include "core/crew.h"
#include "core/errand.h"
#include "core/inquiry.h"
#include "core/standing.h"
#include "core/task.h"
#include "core/tenant.h"
#include "core/ticket.h"
#include "nebula_balance.h"
#include "rules/balance.h"

/* --- the engine ------------------------------------------------------------------------------- */

static void interrupted(struct note *note)
{
    atomic_flag_clear(&container_of(note, struct nebula, interruption)->is_interrupted);
}

static void explain(char *text, uint32_t size, const char *why)
{
    if (text != NULL && size > 0)
        snprintf(text, size, "%s", why);
}

static void let_go(struct nebula **nebula)
{
    struct nebula *n = *nebula;
    *nebula = NULL;
    if (n->admin != NULL)
        admin_close(&n->admin);
    if (n->engine.nobody != NULL)
        engine_fini(&n->engine);
    standing_leave(&n->engine);
    if (n->loop != NULL)
        loop_free(&n->loop);
    free(n->world);
    free(n->answer);
    free(n);
}

static bool keep_name(struct engine *e, const char *name)
{
    e->program = name == NULL ? NULL : strdup(name);
    return name == NULL || e->program != NULL;
}

struct nebula *nebula_open(const struct nebula_options *o, char *text, uint32_t size)
{
    struct nebula *n = calloc(1, sizeof *n);
    if (n == NULL) {
        explain(text, size, "no memory for an engine");
        return NULL;
    }
    n->interruption.arrived = interrupted;
    atomic_flag_clear(&n->is_interrupted);
    n->world = world_real();
    n->loop = n->world == NULL ? NULL : loop_new(n->world);
    if (n->loop == NULL || !engine_init(&n->engine, n->loop) || !keep_name(&n->engine, o->name)) {
        explain(text, size, "no memory or no descriptors for an engine");
        let_go(&n);
        return NULL;
    }
    n->engine.allows_chaos = o->allow_chaos;
    log_init(&n->engine.log, o->log_fd, (enum log_format)o->log_format,
             (enum log_level)o->log_level, &n->engine.secrets);
    struct error why;
    if (o->control != NULL && (n->admin = admin_open(&n->engine, o->control, &why)) == NULL) {
        explain(text, size, why.text);
        let_go(&n);
    }
    return n;
}

struct nebula *nebula_open_worker(struct nebula_ledger *l, int32_t worker,
                                  const struct nebula_options *o, char *text, uint32_t size)
{
    if (worker < 0 || worker >= l->workers) {
        explain(text, size, "there is no such worker in the ledger: they are counted from 0");
        return NULL;
    }
    struct nebula *n = nebula_open(o, text, size);
    if (n == NULL)
        return NULL;
    struct engine *e = &n->engine;
    e->ledger = l->ledger;
    e->workers = l->workers;
    e->worker = worker;
    if (l->workers > 1)
        e->log.writer = (struct log_field){.key = "worker", .number = worker};
    if (!standing_join(e) || !crew_join(e)) {
        explain(text, size, "no memory for a worker");
        let_go(&n);
    }
    return n;
}

void nebula_stop(struct nebula *n, int64_t at_us)
{
    engine_stop(border_enter(n), at_us);
}

bool nebula_is_stopped(const struct nebula *n)
{
    CHECK(border_is_here(n));
    return engine_is_stopped(&n->engine);
}

void nebula_close(struct nebula **nebula)
{
    if (*nebula == NULL)
        return;
    struct engine *e = border_enter(*nebula);
    engine_stop(e, engine_now(e));
    while (!engine_is_stopped(e))
        loop_turn(e->loop, INT64_MAX); /* whoever was answered does not ask any more */
    errand_look(e);
    crew_leave(e);
    let_go(nebula);
}

void nebula_turn(struct nebula *n, int64_t until_us)
{
    struct engine *e = border_enter(n);
    loop_turn(e->loop, list_is_empty(&e->ready) ? until_us : 0);
    crew_turned(e);
    engine_turned(e);
}

int32_t nebula_fd(struct nebula *n)
{
    struct engine *e = border_enter(n);
    int fd = loop_fd(e->loop);
    return fd >= 0 ? fd : engine_refuse(e, ERROR_MEMORY, "no descriptors or memory for a timer");
}

void nebula_step(struct nebula *n)
{
    struct engine *e = border_enter(n);
    loop_step(e->loop);
    crew_turned(e);
    engine_turned(e);
    if (!list_is_empty(&e->ready))
        loop_stir(e->loop);
}

void nebula_interrupt(struct nebula *n)
{
    if (!atomic_flag_test_and_set(&n->is_interrupted))
        loop_post(n->loop, &n->interruption);
}

bool nebula_next(struct nebula *n, struct nebula_event *out)
{
    struct ticket *t = ticket_next(border_enter(n));
    if (t == NULL)
        return false;
    *out = (struct nebula_event){.ticket = t->number, .code = (int32_t)t->code};
    return true;
}

int64_t nebula_now_us(struct nebula *n)
{
    return loop_refresh(border_enter(n)->loop);
}

const char *nebula_error(const struct nebula *n)
{
    CHECK(border_is_here(n));
    return n->engine.error.text;
}

#define X(name, lua, action, text, look)                                                           \
    _Static_assert((int)NEBULA_ERROR_##name == (int)ERROR_##name,                                  \
                   "nebula.h counts as error.h does");
ERROR_TABLE(X)
#undef X

const char *nebula_version(void)
{
    return NEBULA_VERSION;
}

const char *nebula_error_name(int32_t code)
{
    return code >= 0 && code < ERROR_COUNT ? error_name((enum error_code)code) : "unknown";
}

const char *nebula_error_action(int32_t code)
{
    return code >= 0 && code < ERROR_COUNT
               ? error_action_name(error_action_of((enum error_code)code))
               : "ask";
}

void nebula_log(struct nebula *n, int32_t level, const char *text)
{
    struct engine *e = border_enter(n);
    if (level >= LOG_DEBUG && level <= LOG_ERROR)
        engine_log(e, (enum log_level)level, text, NULL, 0);
}

/* --- tasks ------------------------------------------------------------------------------------ */

int32_t nebula_task_open(struct nebula *n, int32_t parent)
{
    struct engine *e = border_enter(n);
    struct task *t = task_new(e, table_get(&e->tasks, parent));
    if (t == NULL)
        return e->tasks.used == e->tasks.most
                   ? engine_refuse(e, ERROR_LIMIT, "%d tasks are alive, which is the most",
                                   e->tasks.most)
                   : engine_refuse(e, ERROR_MEMORY, "no memory for one more task");
    return t->number;
}

void nebula_task_enter(struct nebula *n, int32_t task)
{
    struct engine *e = border_enter(n);
    struct task *t = table_get(&e->tasks, task);
    e->task = t == NULL ? e->nobody : t;
}

int64_t nebula_task_deadline(struct nebula *n, int64_t at_us)
{
    struct task *t = border_enter(n)->task;
    int64_t before_us = t->deadline_us == INT64_MAX ? 0 : t->deadline_us;
    task_deadline(t, at_us == 0 ? INT64_MAX : at_us);
    return before_us;
}

/* The acting task's context from here on. */
static int32_t hand_down(struct engine *e, const char *traceparent, const char *tenant)
{
    bool is_empty = *traceparent == '\0' && *tenant == '\0';
    struct context *context = is_empty ? NULL : context_new(traceparent, tenant);
    if (context == NULL && !is_empty)
        return engine_refuse(e, ERROR_MEMORY, "no memory for a trace or a tenant");
    task_context(e->task, context);
    return 0;
}

int32_t nebula_task_trace(struct nebula *n, const char *traceparent)
{
    struct engine *e = border_enter(n);
    if (*traceparent != '\0' && !context_is_traceparent(traceparent))
        return engine_refuse(
            e, ERROR_USAGE,
            "a traceparent is 00-<32 hex digits>-<16>-<2>, trace and parent not all zeros");
    return hand_down(e, traceparent, context_tenant(e->task->context));
}

int32_t nebula_task_tenant(struct nebula *n, const char *tenant)
{
    struct engine *e = border_enter(n);
    if (*tenant != '\0' && !context_is_tenant(tenant))
        return engine_refuse(e, ERROR_USAGE,
                             "a tenant's name has 1 to %d bytes and no control characters",
                             TENANT_SIZE);
    return hand_down(e, context_traceparent(e->task->context), tenant);
}

void nebula_task_key(struct nebula *n, const char *key, uint32_t size)
{
    border_enter(n)->task->key = size == 0 ? 0 : balance_hash(key, size);
}

const char *nebula_task_traceparent(const struct nebula *n)
{
    CHECK(border_is_here(n));
    return context_traceparent(n->engine.task->context);
}

const char *nebula_task_tenant_name(const struct nebula *n)
{
    CHECK(border_is_here(n));
    return context_tenant(n->engine.task->context);
}

bool nebula_is_pattern(const char *pattern)
{
    return tenant_is_pattern(pattern);
}

/* None but those that were opened: nobody has no number. */
static struct task *opened_task(struct nebula *n, int32_t number)
{
    struct engine *e = border_enter(n);
    struct task *t = table_get(&e->tasks, number);
    return t == e->nobody ? NULL : t;
}

void nebula_task_cancel(struct nebula *n, int32_t task)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_cancel(t);
}

void nebula_task_grace(struct nebula *n, int32_t task, int64_t at_us)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_grace(t, at_us);
}

void nebula_task_close(struct nebula *n, int32_t task)
{
    struct task *t = opened_task(n, task);
    if (t != NULL)
        task_free(&t);
}

/* --- looking ---------------------------------------------------------------------------------- */

const char *nebula_ask(struct nebula *n, const char *request)
{
    struct engine *e = border_enter(n);
    free(n->answer);
    n->answer = answer_alone(e, request, strlen(request));
    return n->answer != NULL ? n->answer : "{\"ok\":false,\"error\":\"memory\"}";
}

int32_t nebula_ask_all(struct nebula *n, const char *request)
{
    return inquiry_begin(border_enter(n), request);
}

const char *nebula_asked(struct nebula *n, int32_t ticket)
{
    struct ticket *t = ticket_find(border_enter(n), ticket);
    return t == NULL || t->state == TICKET_PENDING ? NULL : inquiry_line(t);
}
