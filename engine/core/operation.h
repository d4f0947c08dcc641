/* operation.h - by which policy calls of a resource are made: that of the resource, or of an operation.
 *
 * Number 0 is the resource itself, as far as it was told rules; it is made with the first call. Others were said
 * by nebula_operation(). One that is apart has guards of its own; what the others do counts with the resource's,
 * and so goes by its circuit, rate and limit, while pauses, copies and what is too late are as its own policy says.
 */
#ifndef CORE_OPERATION_H
#define CORE_OPERATION_H

#include "core/guards.h"

#define OPERATIONS_MOST 64
#define OPERATION_NAME_MOST 63

/* What a call goes through, in this order; with a retry, always. */
struct stages {
    uint8_t count;
    uint8_t at[NEBULA_STAGES - 1]; /* enum nebula_stage */
};

struct operation {
    struct operation *next;
    struct resource *resource;
    struct nebula_policy policy;
    const struct nebula_rules *rules; /* kept */
    struct guards *guards;
    struct places *places; /* of the settings of its policy, NULL: nobody told; not of number 0 */
    int32_t number;
    bool is_apart; /* the guards are its own */
    struct stages stages;
    char name[];
};

/* The one of this number; NULL for number 0 when nothing was said, or there is no memory for it. */
struct operation *operation_find(struct resource *r, int32_t number);
bool operation_exists(const struct resource *r, int32_t number);
/* Somebody's circuit is one for each endpoint. */
bool operations_need_balance(const struct resource *r);

/* The rules of the resource from now on, which are checked. False when out of memory; all is as before then. */
bool operation_rules(struct resource *r, const struct nebula_rules *said);
/* Its number, or the negative code with the reason in *e. */
int32_t operation_say(struct resource *r, const char *name, const struct nebula_policy *policy,
                      const struct nebula_rules *rules, bool is_apart, struct error *e);
/* Says of `to` all that was said of `from`. False when out of memory; some of it may be said then. */
bool operations_copy(struct resource *to, const struct resource *from);
void operations_free(struct resource *r);

#endif
