#include "core/asked.h"

#include <stdlib.h>
#include <string.h>

#include "core/resource.h"

/* What was told and not taken, the oldest first. A text that is the rule's own lives for ever; that of an error is
 * kept here. */
struct asked_notes {
    struct asked_note {
        struct nebula_question said;
        char text[ERROR_TEXT_SIZE];
    } note[ASKED_NOTES_MOST];
    uint32_t first, count;
    int64_t missed;
    char taken[ERROR_TEXT_SIZE]; /* the text of the last one that was taken */
};

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

static void fill_texts(struct nebula_question *a)
{
    a->from = text_of(a->from);
    a->to = text_of(a->to);
    a->why = text_of(a->why);
    a->endpoint = text_of(a->endpoint);
    a->state = text_of(a->state);
    a->text = text_of(a->text);
}

/* --- telling ----------------------------------------------------------------------------------- */

/* NULL when out of memory. */
static struct asked_note *note_new(struct engine *e)
{
    if (e->notes == NULL)
        e->notes = calloc(1, sizeof *e->notes);
    struct asked_notes *n = e->notes;
    if (n == NULL)
        return NULL;
    if (n->count == ASKED_NOTES_MOST) {
        n->first++;
        n->count--;
        n->missed++;
    }
    return &n->note[(n->first + n->count++) % ASKED_NOTES_MOST];
}

void asked_tell(const struct operation *o, struct nebula_question what)
{
    if (!asked_hears(o, (enum nebula_ask)what.what))
        return;
    struct asked_note *note = note_new(o->resource->engine);
    if (note == NULL)
        return;
    fill_texts(&what);
    strcpy(note->text, what.text);
    note->said = what;
    note->said.resource = o->resource->number;
    note->said.operation = o->number;
}

void asked_refused(const struct operation *o, const struct error *why, int32_t attempts)
{
    asked_tell(o, (struct nebula_question){.what = NEBULA_TELL_REFUSED,
                                           .code = (int32_t)why->code,
                                           .outcome = OUTCOME_FAILED,
                                           .attempts = attempts,
                                           .text = why->text});
}

void asked_retries(const struct call *c, int64_t pause_us)
{
    asked_tell(c->operation, (struct nebula_question){.what = NEBULA_TELL_RETRY,
                                                      .code = (int32_t)c->error.code,
                                                      .outcome = (int32_t)c->outcome,
                                                      .attempts = c->again.attempts,
                                                      .pause_us = pause_us,
                                                      .text = c->error.text});
}

static bool next_note(struct engine *e, struct nebula_question *out)
{
    struct asked_notes *n = e->notes;
    if (n == NULL || n->count == 0)
        return false;
    const struct asked_note *note = &n->note[n->first++ % ASKED_NOTES_MOST];
    n->count--;
    *out = note->said;
    out->missed = n->missed;
    n->missed = 0;
    memcpy(n->taken, note->text, sizeof n->taken);
    out->text = n->taken;
    return true;
}

/* --- asking ------------------------------------------------------------------------------------ */

static bool asks(const struct call *c)
{
    return c->error.code != ERROR_OK && c->answer->was_sent && !c->answer->is_leased &&
           asked_hears(c->operation, NEBULA_ASK_FAILURE);
}

bool asked_ask(struct call *c)
{
    struct engine *e = c->ticket.engine;
    int64_t until_us = engine_in(e, ASKED_MOST_US), deadline_us = c->attempt.deadline_us;
    if (!asks(c))
        return false;
    c->state = CALL_ASKING;
    list_push_tail(&e->asked, &c->in_asked);
    loop_arm(e->loop, &c->timer, until_us < deadline_us ? until_us : deadline_us);
    return true;
}

/* Of the attempt that failed. Its texts live as long as the call asks. */
static void describe(const struct call *c, struct nebula_question *out)
{
    const struct attempt *a = c->answer;
    int64_t now_us = engine_now(a->engine);
    *out = (struct nebula_question){.what = NEBULA_ASK_FAILURE,
                                    .ticket = c->ticket.number,
                                    .resource = a->resource->number,
                                    .operation = c->operation->number,
                                    .code = (int32_t)c->error.code,
                                    .outcome = (int32_t)c->outcome,
                                    .attempts = c->again.attempts,
                                    .is_idempotent = a->request.is_idempotent,
                                    .may_repeat = call_may_repeat(c),
                                    .took_us = now_us - a->sent_us,
                                    .left_us = a->deadline_us - now_us,
                                    .state = c->error.state,
                                    .text = c->error.text};
    fill_texts(out);
}

bool asked_next(struct engine *e, struct nebula_question *out)
{
    struct list_node *n = list_pop_head(&e->asked);
    if (n == NULL)
        return next_note(e, out);
    describe(container_of(n, struct call, in_asked), out);
    return true;
}

void asked_fini(struct engine *e)
{
    free(e->notes);
    e->notes = NULL;
}
