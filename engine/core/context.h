/* context.h - what a task hands down to all that it starts and asks for: for whom, and in
 * whose trace.
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
#define TENANT_SIZE 63
#define TRACE_ID_SIZE 16

struct context {
    uint32_t users;
    char traceparent[TRACEPARENT_SIZE + 1]; /* NUL-terminated; "" none */
    uint8_t trace[TRACE_ID_SIZE];           /* what its digits mean; zeros: none */
    char tenant[TENANT_SIZE + 1];           /* NUL-terminated; "" nobody */
};

/* Of the same shape, and neither trace nor parent is all zeros. */
bool context_is_traceparent(const char *text);
/* The bytes that digits begin with, two for each. False when there are not so many, or they are all zero. */
bool context_trace(const char *digits, uint8_t trace[TRACE_ID_SIZE]);
/* 1 to TENANT_SIZE bytes that are no control characters. */
bool context_is_tenant(const char *text);
/* NULL when out of memory. The first user is whoever made it. */
struct context *context_new(const char *traceparent, const char *tenant);
struct context *context_ref(struct context *c); /* c may be NULL */
void context_unref(struct context **c);         /* *c may be NULL, and is so afterwards */
/* "" when there is none; c may be NULL. */
const char *context_traceparent(const struct context *c);
const char *context_tenant(const struct context *c);
/* Whoever began the trace wants it recorded. */
bool context_is_sampled(const struct context *c);

#endif
