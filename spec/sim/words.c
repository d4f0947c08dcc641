/* words.c - what a session does when it is told a word, and what it must never see. */
#include <string.h>

#include "base/check.h"
#include "core/conn.h"
#include "session.h"

static bool says(const struct session *s, const char *word)
{
    return strcmp(s->statement.word, word) == 0;
}

static void refuse(struct session *s, enum error_code code, const char *state, const char *text)
{
    s->answer.code = code;
    s->answer.state = state;
    s->answer.text = text;
}

static void end_transaction(struct session *s, bool is_kept)
{
    for (int32_t i = 0; is_kept && i < s->pendings; i++) {
        int64_t id = s->pending[i];
        server_apply(s->server, id < 0 ? -id : id, id < 0);
    }
    s->pendings = 0;
    s->in_transaction = 0;
}

static bool may_write(struct session *s)
{
    if (s->server->is_standby) {
        bool wants_primary = s->wants != NULL && strcmp(s->wants, "primary") == 0;
        s->answer.wants_writer = !wants_primary;
        s->answer.is_turned = wants_primary;
        refuse(s, ERROR_READ_ONLY, "25006", "this server only reads");
        return false;
    }
    if (s->server->writer >= 0 && s->role != s->server->writer) {
        s->answer.wants_writer = true;
        refuse(s, ERROR_READ_ONLY, "25006", "this connection only reads");
        return false;
    }
    return true;
}

static void write_id(struct session *s, bool is_put)
{
    int64_t id = s->statement.id;
    if (!may_write(s))
        return;
    if (s->in_transaction == 0) {
        server_apply(s->server, id, is_put);
    } else if (s->pendings == PENDING_MOST) {
        refuse(s, ERROR_STORAGE, "53100", "the transaction is too large");
        return;
    } else {
        s->pending[s->pendings++] = is_put ? -id : id;
    }
    s->answer.changed = 1;
    s->answer.rows = 1;
    s->answer.cell = id;
}

static void transact(struct session *s)
{
    bool begins = says(s, "begin");
    if (begins == (s->in_transaction != 0))
        refuse(s, ERROR_QUERY, "25001", begins ? "there is a transaction" : "there is none");
    else if (begins)
        s->in_transaction = s->statement.lessee;
    else
        end_transaction(s, says(s, "commit"));
}

/* --- streams ---------------------------------------------------------------------------------- */

static void end_stream(struct session *s)
{
    s->streaming = 0;
    s->is_giving = s->is_taking = false;
    s->takens = 0;
}

static void pull(struct session *s)
{
    if (s->streaming == 0 || s->is_taking) {
        refuse(s, ERROR_QUERY, "24000", "no stream brings anything");
        return;
    }
    int64_t most = s->is_giving ? 1 : s->statement.window;
    CHECK(most >= 1);
    int64_t rows = s->rows_left < most ? s->rows_left : most;
    s->answer.rows = (int32_t)rows;
    s->answer.cell = s->next_row;
    s->next_row += rows;
    s->rows_left -= rows;
    s->answer.more = s->rows_left > 0;
    if (!s->answer.more)
        end_stream(s);
}

static void stream(struct session *s)
{
    s->rows_left = s->statement.id;
    s->next_row = 0;
    s->is_giving = says(s, "give");
    s->is_taking = says(s, "take");
    s->takens = 0;
    if (s->is_taking && !may_write(s)) {
        s->is_taking = false;
        return;
    }
    s->streaming = s->statement.lessee;
    if (s->is_giving || s->is_taking)
        s->answer.more = true;
    else
        pull(s);
    s->answer.wants_input = s->is_taking;
}

/* Nothing of it is done yet. */
static void take(struct session *s)
{
    if (!s->is_taking) {
        refuse(s, ERROR_STALE, "", "no stream wants input");
        return;
    }
    CHECK(s->takens < PENDING_MOST);
    if (s->takens > 0 && s->taken[s->takens - 1] >= s->statement.id)
        law_broken("%s: %lld was pushed behind %lld", s->server->name, (long long)s->statement.id,
                   (long long)s->taken[s->takens - 1]);
    s->taken[s->takens++] = s->statement.id;
    s->answer.more = s->answer.wants_input = true;
}

static void finish(struct session *s)
{
    if (!s->is_taking) {
        refuse(s, ERROR_STALE, "", "no stream wants input");
        return;
    }
    if (s->in_transaction != 0 && s->pendings + s->takens > PENDING_MOST) {
        refuse(s, ERROR_STORAGE, "53100", "the transaction is too large");
        return;
    }
    s->answer.changed = s->takens;
    for (int32_t i = 0; i < s->takens; i++) {
        if (s->in_transaction == 0)
            server_apply(s->server, s->taken[i], false);
        else
            s->pending[s->pendings++] = s->taken[i];
    }
    end_stream(s);
}

/* --- the rest --------------------------------------------------------------------------------- */

static bool listens(const struct session *s)
{
    bool is_one = false;
    for (int i = 0; i < HARKS_MOST; i++)
        is_one |= s->hark[i] != 0;
    return is_one;
}

static void hark(struct session *s, int64_t channel, bool begins)
{
    int64_t *free_one = NULL;
    for (int i = 0; i < HARKS_MOST; i++) {
        if (s->hark[i] == channel) {
            s->hark[i] = begins ? channel : 0;
            return;
        }
        if (s->hark[i] == 0)
            free_one = &s->hark[i];
    }
    CHECK(!begins || free_one != NULL);
    if (begins)
        *free_one = channel;
}

static void run_word(struct session *s)
{
    const struct statement *st = &s->statement;
    if (says(s, "add") || says(s, "put")) {
        write_id(s, says(s, "put"));
    } else if (says(s, "get")) {
        s->answer.rows = 1;
        s->answer.cell = st->id;
    } else if (says(s, "begin") || says(s, "commit") || says(s, "undo")) {
        transact(s);
    } else if (says(s, "set")) {
        s->dirty = st->lessee;
    } else if (says(s, "fail")) {
        refuse(s, ERROR_QUERY, "42601", "the statement makes no sense");
    } else if (says(s, "rollback")) {
        end_transaction(s, false);
    } else if (says(s, "reset")) {
        s->dirty = 0;
        memset(s->hark, 0, sizeof s->hark);
    } else if (says(s, "hark") || says(s, "hush")) {
        for (int32_t i = 0; i < st->harks; i++)
            hark(s, st->hark[i], says(s, "hark"));
    } else if (!says(s, "check")) {
        law_broken("the server does not know the word '%s'", st->word);
    }
}

static void run_verb(struct session *s)
{
    switch (s->statement.verb) {
    case NEBULA_RUN:
    case NEBULA_SCRIPT:
        run_word(s);
        return;
    case NEBULA_PREPARE:
        return;
    case NEBULA_STREAM:
        stream(s);
        return;
    case NEBULA_PULL:
        pull(s);
        return;
    case NEBULA_STOP:
        end_stream(s);
        return;
    case NEBULA_PUSH:
        take(s);
        return;
    case NEBULA_FINISH:
        finish(s);
        return;
    case NEBULA_BATCH: /* its statements come one by one */
        break;
    }
    UNREACHABLE();
}

static uint32_t bits(const struct session *s)
{
    return (s->in_transaction != 0 ? SESSION_IN_TRANSACTION : 0) |
           (s->dirty != 0 || listens(s) ? SESSION_DIRTY : 0) |
           (s->streaming != 0 ? SESSION_STREAMING : 0);
}

void session_execute(struct session *s)
{
    s->answer = (struct answer){.changed = -1, .state = "", .text = ""};
    switch (s->statement.fault) {
    case FAULT_ERROR:
        refuse(s, ERROR_QUERY, "42P01", "no such table");
        break;
    case FAULT_TURNED:
        refuse(s, ERROR_READ_ONLY, "25006", "the server only reads from now on");
        s->answer.is_turned = true;
        break;
    case FAULT_OWN_FAILS:
        refuse(s, ERROR_SERVER, "XX000", "the server does not want to");
        break;
    case FAULT_CONFLICT:
        end_transaction(s, false);
        refuse(s, ERROR_CONFLICT, "40001", "could not serialize");
        break;
    default:
        run_verb(s);
    }
    /* An error ends what wants input, but to be pulled by mistake is none of its own. */
    if (s->is_taking && s->answer.code != ERROR_OK && s->statement.verb != NEBULA_PULL)
        end_stream(s);
    s->answer.bits = bits(s);
}

void session_give_up(struct session *s)
{
    end_stream(s);
    s->answer = (struct answer){.changed = -1};
    refuse(s, ERROR_CANCELLED, "57014", "cancelled");
    s->answer.bits = bits(s);
}

static void expect_own(const struct session *s, int64_t left_by, int64_t lessee, const char *what)
{
    if (left_by != 0 && left_by != lessee)
        law_broken("%s: '%s' of lessee %lld met %s that lessee %lld left", s->server->name,
                   s->statement.word, (long long)lessee, what, (long long)left_by);
}

void session_inspect(const struct session *s, const struct statement *st)
{
    bool rolls_back = strcmp(st->word, "rollback") == 0;
    bool resets = strcmp(st->word, "reset") == 0;
    expect_own(s, s->streaming, st->lessee, "a stream");
    if (!rolls_back)
        expect_own(s, s->in_transaction, st->lessee, "a transaction");
    if (!rolls_back && !resets)
        expect_own(s, s->dirty, st->lessee, "settings");
    if (st->lessee != 0 && listens(s))
        law_broken("%s: '%s' of lessee %lld met a session that listens", s->server->name, st->word,
                   (long long)st->lessee);
}
