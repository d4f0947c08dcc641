#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/pool.h"
#include "core/resource.h"
#include "play.h"

static int64_t roll(struct play *p, int64_t low, int64_t high)
{
    return dice_between(&p->dice, low, high);
}

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* Asks by the control socket's words. True when it was done. */
__attribute__((format(printf, 2, 3))) static bool ask(struct play *p, const char *format, ...)
{
    char request[160];
    va_list args;
    va_start(args, format);
    vsnprintf(request, sizeof request, format, args);
    va_end(args);
    bool is_done = strstr(nebula_ask(p->nebula, request), "\"ok\":true") != NULL;
    if (!is_done && !p->is_starved && !p->is_stopping)
        law_broken("%s was refused: %s", request, nebula_ask(p->nebula, request));
    return is_done;
}

static void look(struct play *p, const struct declared *d)
{
    struct nebula_hold hold;
    while (nebula_hold(p->nebula, &hold))
        play_note(p, "connection %u is held for %lld us", hold.connection, (long long)hold.held_us);
    if (chance(p, 500))
        ask(p, "{\"verb\":\"ls\"}");
    else
        ask(p, "{\"verb\":\"inspect\",\"name\":\"%s\"}", d->spec.name);
}

/* What is there may stay for a while. */
static void remember_bounds(struct play *p, struct declared *d)
{
    for (int32_t role = 0; role < d->spec.roles; role++) {
        const struct resource *r = table_get(&p->engine->resources, d->number);
        const struct pool *pool = resource_peek(r, role);
        if (pool == NULL)
            continue;
        d->conns_left[role] = pool_all(pool);
        d->waiters_left[role] = (int32_t)pool->waiters.count;
    }
}

static void resize(struct play *p, struct declared *d)
{
    int32_t max = (int32_t)roll(p, 1, 8), min = chance(p, 500) ? 0 : (int32_t)roll(p, 0, max);
    remember_bounds(p, d);
    server_cap(d->server, 0, max > d->conns_left[0] ? max : d->conns_left[0]);
    ask(p, "{\"verb\":\"resize\",\"name\":\"%s\",\"min\":%d,\"max\":%d}", d->spec.name, min, max);
}

static void pause_or_drain(struct play *p, struct declared *d)
{
    const char *name = d->spec.name;
    if (chance(p, 500))
        ask(p, "{\"verb\":\"pause\",\"name\":\"%s\"}", name);
    else
        ask(p, "{\"verb\":\"drain\",\"name\":\"%s\",\"within_us\":%lld}", name,
            (long long)roll(p, 0, 500 * MS));
    d->is_paused = true;
}

void play_operate(struct play *p)
{
    struct declared *d = &p->declared[roll(p, 0, DECLARED - 1)];
    int64_t what = roll(p, 0, 11);
    if (what < 4 && d->is_paused) {
        nebula_resume(p->nebula, d->number);
        d->is_paused = false;
    } else if (what < 2 && !p->is_faultless) {
        pause_or_drain(p, d);
    } else if (what == 5 && !p->is_faultless) {
        server_crash(d->server, world_time_us() + roll(p, 0, 500 * MS));
    } else if (what == 6) {
        look(p, d);
    } else if (what == 10) {
        resize(p, d);
    } else if (what == 11) {
        ask(p, "{\"verb\":\"reconnect\",\"name\":\"%s\",\"percent\":%lld,\"every_us\":%lld}",
            d->spec.name, (long long)roll(p, 1, 100), (long long)roll(p, 0, 100 * MS));
    }
}
