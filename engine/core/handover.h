/* handover.h - what a pool has to do with the pools of the same name in other workers.
 *
 * To open a connection takes a permit, of which there are max in the process (core/ledger). With none
 * left the pool asks with its first waiter's time of arrival; whoever has a connection that comes home
 * gives it to whoever waited longest, here or elsewhere. As long as somebody elsewhere asks, the gate
 * keeps the short path shut, so that coming home is looked at; but one that came home already is looked
 * at when the turn ends, and meanwhile lent by the short path. Else none of this costs anything.
 *
 * A waiter here is preferred to one elsewhere who came little earlier: to hand over costs both workers
 * a wake-up. Nobody is served after one who came HANDOVER_LEAD_US later.
 */
#ifndef CORE_HANDOVER_H
#define CORE_HANDOVER_H

#include "core/pool.h"

#define HANDOVER_LEAD_US 2000

/* False when out of memory. Without a ledger there is nothing to join. */
bool handover_join(struct pool *p);
void handover_leave(struct pool *p); /* no connection is left */
/* Nobody waits here any more: what comes is closed. */
void handover_stop(struct pool *p);

/* A permit for one more connection, of so many that are missing; with none left it asks, if somebody waits. */
bool handover_may_open(struct pool *p, int32_t missing);
/* It is not opened after all: the permit is for the next one. */
void handover_unopened(struct pool *p);
/* What it has no use for now: others may have. */
void handover_give_back(struct pool *p);
void handover_opened(struct pool *p); /* so does the keeper, when it has opened what it may */
/* The permit of a connection that is gone. */
void handover_closed(struct pool *p);
void handover_unask(struct pool *p); /* nobody waits any more */
/* One who came then does not wait any more, and others do. */
void handover_next_waiter(struct pool *p, int64_t arrived_us);
/* Soon serves those elsewhere who waited longer than anybody here. */
void handover_look(struct pool *p);
/* Somebody elsewhere waited longer than one who arrived then. */
bool handover_is_due(const struct pool *p, int64_t arrived_us);
/* When the first waiter has waited for so long that others are asked; INT64_MAX: nobody waits. */
int64_t handover_wish_us(const struct pool *p);
/* Whoever asks in vain looks again then, whether another worker does not turn; INT64_MAX: nobody asks. */
int64_t handover_late_us(const struct pool *p);
/* When nobody who does not want to wait counts on others any more, whom the pool has asked; INT64_MAX
 * when it has asked none. */
int64_t handover_given_up_us(const struct pool *p);

#endif
