#include "core/value.h"

#include <string.h>

void reply_fini(struct reply *r)
{
    if (r->result != NULL)
        r->result->type->free(r->result);
    r->result = NULL;
}

/* That nobody answers proves nothing once bytes have left, unless there was nothing to be done. */
enum outcome request_outcome_unanswered(const struct request *r)
{
    bool does_nothing =
        r->verb == NEBULA_PREPARE || r->verb == NEBULA_STOP || r->verb == NEBULA_PUSH;
    return r->is_sent && !does_nothing ? OUTCOME_IN_DOUBT : OUTCOME_FAILED;
}

/* An error that the server answers proves that it did not do it, or what of it. */
enum outcome request_outcome(const struct request *r)
{
    if (r->reply.is_unanswered)
        return request_outcome_unanswered(r);
    if (r->reply.error.code == ERROR_OK)
        return OUTCOME_OK;
    return r->reply.is_partial ? OUTCOME_IN_DOUBT : OUTCOME_FAILED;
}

bool request_goes_on(const struct request *r)
{
    return r->verb == NEBULA_PULL || r->verb == NEBULA_PUSH || r->verb == NEBULA_FINISH ||
           r->verb == NEBULA_STOP;
}

/* --- copying ---------------------------------------------------------------------------------- */

static size_t bytes_of(const struct nebula_value *v)
{
    return v->type == NEBULA_TEXT || v->type == NEBULA_BYTES ? v->size : 0;
}

static size_t room_for(const struct nebula_value *value, int32_t count, uint32_t text_size)
{
    size_t size = (size_t)count * sizeof *value + text_size + 1;
    for (int32_t i = 0; i < count; i++)
        size += bytes_of(&value[i]);
    return size;
}

size_t request_room(const struct nebula_request *r)
{
    if (r->verb != NEBULA_BATCH)
        return room_for(r->value, r->count, r->text_size);
    size_t size = (size_t)r->parts * sizeof(struct part) + 1;
    for (int32_t i = 0; i < r->parts; i++)
        size += room_for(r->part[i].value, r->part[i].count, r->part[i].text_size);
    return size;
}

/* The values go to *to, their bytes and the text behind *at; both move on. */
static void copy_statement(struct request *r, const struct nebula_part *from,
                           struct nebula_value **to, char **at)
{
    struct nebula_value *value = *to;
    r->count = from->count;
    r->value = value;
    for (int32_t i = 0; i < from->count; i++) {
        value[i] = from->value[i];
        if (bytes_of(&value[i]) == 0)
            continue;
        value[i].bytes = memcpy(*at, from->value[i].bytes, value[i].size);
        *at += value[i].size;
    }
    r->text = *at;
    r->text_size = from->text_size;
    if (from->text_size > 0)
        memcpy(*at, from->text, from->text_size);
    (*at)[from->text_size] = '\0';
    *at += from->text_size + 1;
    *to = value + from->count;
}

static void copy_parts(struct request *to, const struct nebula_request *r, void *room)
{
    int32_t count = 0;
    for (int32_t i = 0; i < r->parts; i++)
        count += r->part[i].count;
    to->part = room;
    to->parts = r->parts;
    to->is_each = r->is_each;
    struct nebula_value *value = (struct nebula_value *)(void *)(to->part + r->parts);
    char *at = (char *)(value + count);
    for (int32_t i = 0; i < r->parts; i++) {
        to->part[i] = (struct part){.request.verb = NEBULA_RUN, .outcome = OUTCOME_FAILED};
        copy_statement(&to->part[i].request, &r->part[i], &value, &at);
    }
    to->text = at;
    *at = '\0';
}

void request_copy(struct request *to, const struct nebula_request *r, void *room)
{
    to->verb = (enum nebula_verb)r->verb;
    to->window = r->window;
    to->is_idempotent = r->is_idempotent;
    if (r->verb == NEBULA_BATCH) {
        copy_parts(to, r, room);
        return;
    }
    struct nebula_value *value = room;
    char *at = (char *)(value + r->count);
    const struct nebula_part all = {
        .text = r->text, .text_size = r->text_size, .count = r->count, .value = r->value};
    copy_statement(to, &all, &value, &at);
}
