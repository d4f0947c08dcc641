/* context.h - what a task hands down to all that it starts and asks for: in whose trace it acts.
 *
 * A context never changes once it is made, so a child task and a call that outlives its task share
 * it. NULL is the empty one, which most tasks have: it costs a call one load.
 */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Of W3C Trace Context, level 1, version 00: "00-<trace>-<parent>-<flags>" in small hex digits. */
#define TRACEPARENT_SIZE 55

struct context {
    uint32_t users;
    char traceparent[TRACEPARENT_SIZE + 1]; /* NUL-terminated; "" none */
};

/* Of the same shape, and neither trace nor parent is all zeros. */
bool context_is_traceparent(const char *text);
/* NULL when out of memory. The first user is whoever made it. */
struct context *context_new(const char *traceparent);
struct context *context_ref(struct context *c); /* c may be NULL */
void context_unref(struct context **c);         /* *c may be NULL, and is so afterwards */
/* Whoever began the trace wants it recorded. */
bool context_is_sampled(const struct context *c);

#endif
