#include "core/lease.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 16
#define TAKEN_AWAY "the lease was taken away: it was held for %lld ms, longer than pool.hold"
#define UNDONE "40" /* SQL's class of codes for a transaction that was rolled back */

static bool grow(struct lease_table *t)
{
    int32_t size = t->size == 0 ? FIRST_SIZE : t->size * 2;
    if (size > LEASE_STEP)
        return false;
    struct lease_row *row = realloc(t->row, (size_t)size * sizeof *row);
    if (row == NULL)
        return false;
    row[0] = (struct lease_row){.conn = NULL};
    t->row = row;
    int32_t first = t->size == 0 ? 1 : t->size;
    for (int32_t i = size - 1; i >= first; i--) {
        row[i] = (struct lease_row){.last_number = i, .next_free = t->free_head};
        t->free_head = i;
    }
    t->size = size;
    return true;
}

/* One more than those that are kept. */
static bool has_free(struct lease_table *t)
{
    return t->size - 1 - t->used > t->kept || grow(t);
}

bool lease_keep(struct lease_table *t)
{
    bool is_kept = has_free(t);
    t->kept += is_kept;
    return is_kept;
}

void lease_unkeep(struct lease_table *t)
{
    t->kept--;
}

static struct lease_row *row_of(const struct lease_table *t, int64_t number)
{
    uint32_t index = (uint32_t)number & (LEASE_STEP - 1);
    return index < (uint32_t)t->size ? &t->row[index] : NULL;
}

static void add(struct lease_table *t, struct conn *c)
{
    struct lease_row *row = &t->row[t->free_head];
    t->free_head = row->next_free;
    t->used++;
    row->conn = c;
    c->lease = row->last_number;
    c->note = NOTE_NOTHING;
}

static void leave(struct lease_table *t, struct lease_row *row)
{
    if (row->conn != NULL || row->owed_to != NULL)
        return;
    row->next_free = t->free_head;
    t->free_head = (int32_t)(row - t->row);
    t->used--;
}

bool lease_add(struct lease_table *t, struct conn *c)
{
    if (!has_free(t))
        return false;
    add(t, c);
    return true;
}

void lease_add_kept(struct lease_table *t, struct conn *c)
{
    lease_unkeep(t);
    add(t, c);
}

void lease_drop(struct lease_table *t, const struct conn *c)
{
    struct lease_row *row = row_of(t, c->lease);
    CHECK(!lease_is_out(c) && row->conn == c);
    row->conn = NULL;
    row->last_number = c->lease;
    leave(t, row);
}

void lease_part(struct lease_table *t, struct conn *c)
{
    if (row_of(t, c->lease)->owed_to == NULL || !has_free(t))
        return;
    uint64_t uses = lease_uses(t, c) << LEASE_ROW_BITS;
    lease_drop(t, c);
    add(t, c);
    row_of(t, c->lease)->last_number = (int64_t)((uint64_t)c->lease - uses) & INT64_MAX;
}

void lease_lose(struct lease_table *t, struct conn *c, const char *state)
{
    struct lease_row *row = row_of(t, c->lease);
    row->is_undone = strncmp(state, UNDONE, strlen(UNDONE)) == 0;
    lease_reclaim(t, c, 0);
}

void lease_reclaim(struct lease_table *t, struct conn *c, int64_t held_us)
{
    struct lease_row *row = row_of(t, c->lease);
    row->lost_number = c->lease;
    row->reclaimed_us = held_us;
    if (row->owed_to == NULL && t->owed < LEASES_OWED) {
        row->owed_to = c->holder;
        t->owed++;
    }
    lease_end(c);
}

static void forget(struct lease_table *t, struct lease_row *row)
{
    row->owed_to = NULL;
    t->owed--;
    leave(t, row);
}

void lease_forget(struct lease_table *t, int64_t number)
{
    struct lease_row *row = row_of(t, number);
    if (row != NULL && row->owed_to != NULL && row->lost_number == number)
        forget(t, row);
}

void lease_forget_all(struct lease_table *t, const struct task *task)
{
    for (int32_t i = 1; i < t->size && t->owed > 0; i++)
        if (t->row[i].owed_to == task)
            forget(t, &t->row[i]);
}

/* Whoever gave it back has made a mistake; whoever lost it has not. */
int32_t lease_refuse(struct engine *e, int64_t number)
{
    const struct lease_row *row = row_of(&e->leases, number);
    if (row == NULL || number == 0 || row->lost_number != number)
        return engine_refuse(e, ERROR_STALE, "the lease has ended already");
    if (row->reclaimed_us == 0 && row->is_undone)
        return engine_refuse(e, ERROR_CONFLICT,
                             "the server ended this lease's session, and undid "
                             "what was open in it, because of a conflict");
    if (row->reclaimed_us == 0)
        return engine_refuse(e, ERROR_LOST, "the connection of this lease was lost");
    return engine_refuse(e, ERROR_STALE, TAKEN_AWAY, (long long)row->reclaimed_us / 1000);
}

void lease_explain(const struct lease_table *t, const struct conn *c, struct error *why)
{
    const struct lease_row *row = row_of(t, c->lease);
    bool is_reclaimed = row->lost_number == c->lease && row->reclaimed_us > 0;
    if (!is_reclaimed || (why->code != ERROR_CANCELLED && why->code != ERROR_LOST))
        return;
    char state[sizeof why->state];
    memcpy(state, why->state, sizeof state);
    error_set(why, why->code, "%s: " TAKEN_AWAY, conn_resource(c),
              (long long)row->reclaimed_us / 1000);
    memcpy(why->state, state, sizeof state);
}

void lease_fini(struct lease_table *t)
{
    CHECK(t->used == 0 && t->owed == 0 && t->kept == 0);
    free(t->row);
    t->row = NULL;
    t->size = t->free_head = 0;
}
