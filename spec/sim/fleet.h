/* fleet.h - the rig of rig.h with several servers that are all alike, and calls that are balanced over them. */
#ifndef SIM_FLEET_H
#define SIM_FLEET_H

#include "core/load.h"
#include "rig.h"

#define HOSTS 5

/* A rig with some servers that are all alike. */
struct fleet {
    struct rig rig;
    int32_t hosts;
    struct server *server[HOSTS];
    struct nebula_option option[HOSTS];
    struct nebula_balance balance;
    int64_t heard[HOSTS]; /* when it was counted last */
};

/* At most 12 connections; what is not answered has a minute. Five failures in a row eject for 30 s, or, with
 * five that had 20 calls within 10 s, a share of successes that is 1.9 deviations off; half of them at most. */
void fleet_begin(struct fleet *p, int32_t hosts, enum nebula_rule rule);
void fleet_open(struct fleet *p);    /* and says how they are balanced */
void fleet_balance(struct fleet *p); /* says so alone */
void fleet_end(struct fleet *p);     /* nothing is left, as rig_end() */

struct loads *fleet_loads(const struct fleet *p);
int32_t fleet_conns(const struct fleet *p, int at);
bool fleet_is_out(const struct fleet *p, int at);
const char *fleet_inspect(const struct fleet *p); /* what the control socket says */
/* Statements that a server has heard since this was asked last; and of all, how many together. */
int fleet_heard(struct fleet *p, int at);
int fleet_heard_by_all(struct fleet *p, int *by);

int32_t fleet_call(struct fleet *p, const char *key); /* the ticket; key may be NULL */
void fleet_work(struct fleet *p, int calls, int at_once);
/* The same, and how many of them each server has heard. */
void fleet_spread(struct fleet *p, int calls, int at_once, int *by);
void fleet_warm_up(struct fleet *p); /* there are connections, and nothing was heard yet */
/* Whatever it is told from here on, it loses before it does it. */
void fleet_break(struct fleet *p, int at, bool is_broken);

#endif
