#include "core/settings.h"

#include "core/chaos.h"
#include "core/load.h"
#include "core/resource.h"

json_t *settings_pool(const struct resource *r)
{
    const struct nebula_pool *p = &r->spec->pool;
    return json_pack(
        "{s:i, s:i, s:i, s:i, s:b, s:s, s:f, s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:s}", "min",
        r->min, "max", r->max, "queue", p->queue, "connecting", p->connecting, "fail_fast",
        p->is_fail_fast, "order", p->is_fifo ? "fifo" : "lifo", "idle",
        settings_seconds(p->idle_us), "life", settings_seconds(p->life_us), "life_jitter",
        p->life_jitter, "check", p->check_us < 0 ? -1.0 : settings_seconds(p->check_us), "connect",
        settings_seconds(p->connect_us), "start_within", settings_seconds(p->start_us), "keepalive",
        settings_seconds(p->keepalive_us), "hold", settings_seconds(p->hold_us), "hold_action",
        p->is_reclaiming ? "reclaim" : "report");
}

json_t *settings_policy(const struct resource *r)
{
    const struct nebula_policy *p = &r->spec->policy;
    return json_pack("{s:f, s:f, s:i, s:f, s:f, s:i, s:i}", "deadline",
                     settings_seconds(p->deadline_us), "wait", settings_seconds(p->wait_us),
                     "tries", p->tries, "pause", settings_seconds(p->pause_us), "pause_max",
                     settings_seconds(p->pause_max_us), "budget", p->budget, "budget_least",
                     p->budget_least);
}

json_t *settings_balance(const struct resource *r)
{
    const struct nebula_balance *b = r->balance;
    return json_pack("{s:s, s:i, s:f, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "rule",
                     load_rule_name(b->rule), "consecutive", b->consecutive, "factor", b->factor,
                     "calls", b->least_calls, "endpoints", b->least_endpoints, "window",
                     settings_seconds(b->window_us), "most", b->most, "time",
                     settings_seconds(b->time_us), "time_most", settings_seconds(b->time_most_us),
                     "panic", b->panic, "slow_start", settings_seconds(b->slow_start_us));
}

json_t *settings_chaos(const struct resource *r)
{
    const struct nebula_chaos *c = chaos_said(r->chaos);
    char text[CHAOS_TEXT_SIZE];
    chaos_explain(c, text);
    return json_pack("{s:s, s:f, s:s, s:b, s:f, s:f, s:f, s:f, s:f, s:f}", "text", text, "fail",
                     c->fail, "code", c->fail > 0 ? error_name((enum error_code)c->code) : "",
                     "cut", c->is_cut, "delay_share", c->delay_share, "delay",
                     settings_seconds(c->delay_us), "delay_most",
                     settings_seconds(c->delay_most_us), "delay_quantile", c->delay_quantile,
                     "connect", c->connect, "left", settings_seconds(chaos_left_us(r->chaos)));
}
