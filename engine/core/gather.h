/* gather.h - one order to all workers of the process, and what each of them has to tell.
 *
 * Each worker makes its part on its own thread, in memory of its own, when its loop comes to it, in one
 * turn or in several, and sends it back. Whoever asked has all parts, or after GATHER_US those that came; but
 * who has begun is waited for as long as he turns. Who is missing has not turned for so long, does what was
 * ordered when it turns, and is named. A worker that leaves meanwhile sends its part first.
 */
#ifndef CORE_GATHER_H
#define CORE_GATHER_H

#include "core/order.h"
#include "core/window.h"

#define GATHER_US 1000000

struct gather;

/* The window of a role, by its name. */
struct finding_window {
    char *role;
    struct window window;
};

/* What one worker found. */
struct finding {
    int32_t worker;
    bool is_here;    /* it came */
    bool is_absent;  /* there is no resource of this name */
    bool has_failed; /* no memory to tell it */
    struct error why;
    json_t *told; /* by an engine that is alone; NULL when nothing is, or has_failed */
    int32_t windows;
    struct finding_window window[ROLES_MOST];
    int32_t at;    /* LS: the resource to be told next */
    bool is_known; /* LS: whoever asks knows of the same resources */
};

/* Fills what the engine has to tell into a part of zeros. Nothing of it may point into the engine. False: there is
 * more, for which it is called again with the next turn; the asker's own is made at once. */
typedef bool gather_make(struct engine *e, const struct order *o, struct finding *p);
typedef void gather_over(struct gather *g, void *data);

/* The part of e is there when this returns. Unless it shows that nobody needs to be asked (an order that
 * it refused), or there is nobody, the others are asked, and over() runs once, later. NULL when out of
 * memory: nothing was done. The texts of the order are copied. */
struct gather *gather_begin(struct engine *e, const struct order *o, gather_make *make,
                            gather_over *over, void *data);
bool gather_is_over(const struct gather *g);
/* over() will not run; the others do what they were asked. *g may be NULL. */
void gather_forget(struct gather **g);

int32_t gather_findings(const struct gather *g); /* its own first, then by worker */
struct finding *gather_finding(struct gather *g, int32_t i);
/* For how long the worker of a part that did not come had not turned when it was given up: at once where
 * others were before. */
int64_t gather_silent_us(const struct gather *g, int32_t i);

#endif
