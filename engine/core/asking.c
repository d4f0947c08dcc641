#include "core/asking.h"

#include <stdlib.h>
#include <string.h>

#include "core/resource.h"

/* On a connection that may be lost first. */
struct asking {
    struct request request;
    struct ear *ear; /* NULL: nobody wants to know any more */
    char words[];
};

static const struct nebula_spec *spec_of(const struct ear *e)
{
    return e->pool->resource->spec;
}

static void ended(struct request *r)
{
    struct asking *asking = container_of(r, struct asking, request);
    struct ear *e = asking->ear;
    const struct error why = r->reply.error;
    reply_fini(&r->reply);
    free(asking);
    if (e == NULL)
        return;
    e->asking = NULL;
    ear_answered(e, &why);
}

/* With room for so many bytes of words; NULL when out of memory. */
static struct asking *asking_new(struct ear *e, size_t size)
{
    struct asking *asking = calloc(1, sizeof *asking + size + 1);
    if (asking == NULL)
        return NULL;
    asking->ear = e;
    asking->request.verb = NEBULA_SCRIPT;
    asking->request.text = asking->words;
    asking->request.text_size = (uint32_t)size;
    asking->request.ended = ended;
    return asking;
}

static int64_t bound(struct ear *e)
{
    struct engine *engine = e->pool->engine;
    int64_t at_us = engine_now(engine) + spec_of(e)->pool.connect_us;
    loop_arm(engine->loop, &e->timer, at_us);
    return at_us;
}

static void dispatch(struct ear *e, struct asking *asking, ear_done *done)
{
    e->asking = asking;
    e->done = done;
    asking->request.deadline_us = bound(e);
    conn_send(e->conn, &asking->request);
}

/* Who leaves waits for as long as it takes: what the home does not know of it goes on to tell. */
static bool ask_home(struct ear *e, bool is_leaving, ear_done *done)
{
    struct letter *letter = letter_of(&e->channels, is_leaving);
    if (letter == NULL)
        return false;
    e->done = done;
    if (!is_leaving)
        bound(e);
    relay_write(&e->line, letter);
    return true;
}

bool asking_begin(struct ear *e, bool is_leaving, ear_done *done)
{
    if (e->state == EAR_FAR)
        return ask_home(e, is_leaving, done);
    const char *words = is_leaving ? spec_of(e)->unlisten : spec_of(e)->listen;
    struct asking *asking = asking_new(e, channels_words(&e->channels, words, NULL));
    if (asking == NULL)
        return false;
    channels_words(&e->channels, words, asking->words);
    dispatch(e, asking, done);
    return true;
}

bool asking_check(struct ear *e, ear_done *done)
{
    size_t size = strlen(spec_of(e)->check);
    struct asking *asking = asking_new(e, size);
    if (asking == NULL)
        return false;
    memcpy(asking->words, spec_of(e)->check, size);
    dispatch(e, asking, done);
    return true;
}

void asking_forget(struct ear *e)
{
    if (e->asking != NULL)
        e->asking->ear = NULL;
    e->asking = NULL;
    e->done = NULL;
}
