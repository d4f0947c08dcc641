#include "core/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
    TRACE_AT = 3,
    TRACE_DIGITS = 2 * TRACE_ID_SIZE,
    PARENT_AT = 36,
    PARENT_DIGITS = 16,
    FLAGS_AT = 53
};

static bool are_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

static bool are_zeros(const char *text, size_t count)
{
    return strspn(text, "0") >= count;
}

bool context_is_traceparent(const char *text)
{
    return strlen(text) == TRACEPARENT_SIZE && strncmp(text, "00-", TRACE_AT) == 0 &&
           text[PARENT_AT - 1] == '-' && text[FLAGS_AT - 1] == '-' &&
           are_digits(text + TRACE_AT, TRACE_DIGITS) &&
           are_digits(text + PARENT_AT, PARENT_DIGITS) && are_digits(text + FLAGS_AT, 2) &&
           !are_zeros(text + TRACE_AT, TRACE_DIGITS) && !are_zeros(text + PARENT_AT, PARENT_DIGITS);
}

/* Of a digit in small letters. */
static uint8_t value_of(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool context_trace(const char *digits, uint8_t trace[TRACE_ID_SIZE])
{
    if (!are_digits(digits, TRACE_DIGITS) || are_zeros(digits, TRACE_DIGITS))
        return false;
    for (size_t i = 0; i < TRACE_ID_SIZE; i++)
        trace[i] = (uint8_t)(value_of(digits[2 * i]) << 4 | value_of(digits[2 * i + 1]));
    return true;
}

bool context_is_tenant(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return size >= 1 && size <= TENANT_SIZE;
}

struct context *context_new(const char *traceparent, const char *tenant)
{
    CHECK(strlen(traceparent) <= TRACEPARENT_SIZE && strlen(tenant) <= TENANT_SIZE);
    struct context *c = malloc(sizeof *c);
    if (c == NULL)
        return NULL;
    c->users = 1;
    strcpy(c->traceparent, traceparent);
    strcpy(c->tenant, tenant);
    memset(c->trace, 0, sizeof c->trace);
    if (*traceparent != '\0')
        context_trace(traceparent + TRACE_AT, c->trace);
    return c;
}

struct context *context_ref(struct context *c)
{
    if (c != NULL)
        c->users++;
    return c;
}

void context_unref(struct context **context)
{
    struct context *c = *context;
    *context = NULL;
    if (c != NULL && --c->users == 0)
        free(c);
}

const char *context_traceparent(const struct context *c)
{
    return c == NULL ? "" : c->traceparent;
}

const char *context_tenant(const struct context *c)
{
    return c == NULL ? "" : c->tenant;
}

bool context_is_sampled(const struct context *c)
{
    const char *traceparent = context_traceparent(c);
    if (*traceparent == '\0')
        return false;
    char last = traceparent[TRACEPARENT_SIZE - 1]; /* bit 0 of the flags */
    return strchr("13579bdf", last) != NULL;
}
