/* copies.c - streams that take input: what is pushed is done once when the stream was finished, and not
 * at all whatever else ends it. */
#include "play.h"

#define AT_ONCE 3 /* pushes under way */

static bool chance(struct play *p, int permille)
{
    return dice_hits(&p->dice, permille);
}

/* What it has goes with the transaction, if there is one. */
static bool is_full(const struct holding *h)
{
    return h->ids + h->takens >= IDS_IN_TX;
}

bool copy_may_push(const struct holding *h)
{
    return h->is_taking && !h->is_doomed && !h->is_finishing && !is_full(h) && h->busy < AT_ONCE;
}

/* The end is asked for when all pushes are known to have been taken. */
enum word copy_next(struct play *p, const struct holding *h)
{
    if (h->is_doomed || (h->busy == 0 && chance(p, 60)))
        return WORD_STOP;
    return is_full(h) || (h->busy == 0 && chance(p, 300)) ? WORD_FINISH : WORD_PUSH;
}

void copy_asked(struct holding *h, const struct op *op)
{
    if (op->word == WORD_PUSH)
        h->taken[h->takens++] = op->id;
    h->is_finishing |= op->word == WORD_FINISH;
}

static void end(struct play *p, struct holding *h, enum claim claim)
{
    claim_all(p, h->taken, h->takens, claim);
    h->takens = 0;
    h->is_taking = h->is_finishing = h->is_doomed = false;
}

static void pushed(struct holding *h, const struct nebula_reply *r)
{
    if (r->outcome == OUTCOME_IN_DOUBT)
        law_broken("a push was called in doubt, though nothing is done before the end");
    if (r->code == ERROR_OK && !(r->more && r->wants_input))
        law_broken("a push was taken, and no more is wanted");
    h->is_doomed |= r->code != ERROR_OK;
}

static void finished(struct play *p, struct holding *h, const struct nebula_reply *r)
{
    if (r->code == ERROR_OK && r->changed != h->takens)
        law_broken("%lld were pushed, and %lld are said to be done", (long long)h->takens,
                   (long long)r->changed);
    if (r->code == ERROR_OK && h->is_in_transaction) {
        for (int64_t i = 0; i < h->takens; i++)
            h->id[h->ids++] = h->taken[i];
        h->takens = 0;
    }
    bool may_be = r->outcome == OUTCOME_IN_DOUBT && !h->is_in_transaction;
    end(p, h, r->code == ERROR_OK ? CLAIM_ONCE : may_be ? CLAIM_AT_MOST_ONCE : CLAIM_NEVER);
}

void copy_ended(struct play *p, struct holding *h, const struct op *op,
                const struct nebula_reply *r)
{
    if (op->word == WORD_TAKE && r->code == ERROR_OK) {
        h->is_taking = true;
        if (!r->more || !r->wants_input)
            law_broken("a stream that takes does not say so");
    }
    if (!h->is_taking)
        return;
    if (op->word == WORD_PUSH)
        pushed(h, r);
    else if (op->word == WORD_FINISH)
        finished(p, h, r);
    else if (op->word == WORD_STOP && r->code == ERROR_OK)
        end(p, h, CLAIM_NEVER);
}

void copy_drop(struct play *p, struct holding *h)
{
    bool may_be = h->is_finishing && h->busy > 0 && !h->is_in_transaction;
    end(p, h, may_be ? CLAIM_AT_MOST_ONCE : CLAIM_NEVER);
}
