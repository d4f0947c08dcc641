#include "drivers/sqlite_statement.h"

#include <stdlib.h>
#include <string.h>

struct statements {
    struct list used; /* the one used last first */
    struct statement *bucket[STATEMENT_BUCKETS];
};

/* FNV-1a: texts are short, and the whole text is compared in any case. */
static uint32_t hash_of(const char *text, uint32_t size)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

static struct statement **bucket_of(struct statements *all, uint32_t hash)
{
    return &all->bucket[hash % STATEMENT_BUCKETS];
}

static struct statement *find(struct statements *all, uint32_t hash, const char *text,
                              uint32_t size)
{
    struct statement *s = all == NULL ? NULL : *bucket_of(all, hash);
    while (s != NULL && (s->hash != hash || s->size != size || memcmp(s->text, text, size) != 0))
        s = s->next;
    return s;
}

static void discard(struct statement *s)
{
    sqlite3_finalize(s->stmt);
    free(s);
}

static void forget(struct statements *all, struct statement *s)
{
    struct statement **at = bucket_of(all, s->hash);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    list_remove(&all->used, &s->node);
    s->is_kept = false;
    if (!s->is_taken) /* else it goes when it is given back */
        discard(s);
}

static struct statements *statements_new(void)
{
    struct statements *all = calloc(1, sizeof *all);
    if (all != NULL)
        list_init(&all->used);
    return all;
}

static void keep(struct statements *all, struct statement *s)
{
    if (all->used.count == STATEMENTS_MOST)
        forget(all, container_of(list_tail(&all->used), struct statement, node));
    struct statement **bucket = bucket_of(all, s->hash);
    s->next = *bucket;
    *bucket = s;
    list_push_head(&all->used, &s->node);
    s->is_kept = true;
}

/* Whether there is a statement in what follows the first one: a comment or a space is none. */
static int find_another(sqlite3 *db, const char *rest)
{
    sqlite3_stmt *other = NULL;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && other == NULL && *rest != '\0')
        rc = sqlite3_prepare_v2(db, rest, -1, &other, &rest);
    sqlite3_finalize(other);
    return rc == SQLITE_OK && other == NULL ? SQLITE_OK : SQLITE_MISUSE;
}

static int prepare(struct statements **all, sqlite3 *db, const char *text, uint32_t size,
                   struct statement **out)
{
    struct statement *s = malloc(sizeof *s + size);
    if (s == NULL)
        return SQLITE_NOMEM;
    *s = (struct statement){.hash = hash_of(text, size), .size = size, .is_taken = true};
    node_init(&s->node);
    memcpy(s->text, text, size);
    const char *rest;
    int rc = sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, &rest);
    if (rc == SQLITE_OK && s->stmt == NULL)
        rc = SQLITE_EMPTY;
    if (rc == SQLITE_OK && *rest != '\0')
        rc = find_another(db, rest);
    if (rc != SQLITE_OK) {
        discard(s);
        return rc;
    }
    *out = s;
    if (size > STATEMENT_TEXT_MOST || find(*all, s->hash, text, size) != NULL)
        return SQLITE_OK;
    if (*all == NULL)
        *all = statements_new();
    if (*all != NULL) /* else it is prepared again each time */
        keep(*all, s);
    return SQLITE_OK;
}

void statements_free(struct statements **all_in)
{
    struct statements *all = *all_in;
    struct list_node *n;
    *all_in = NULL;
    if (all == NULL)
        return;
    while ((n = list_head(&all->used)) != NULL) {
        struct statement *s = container_of(n, struct statement, node);
        CHECK(!s->is_taken);
        forget(all, s);
    }
    free(all);
}

int statement_take(struct statements **all, sqlite3 *db, const char *text, uint32_t size,
                   struct statement **out)
{
    struct statement *s = find(*all, hash_of(text, size), text, size);
    if (s == NULL || s->is_taken)
        return prepare(all, db, text, size, out);
    list_remove(&(*all)->used, &s->node);
    list_push_head(&(*all)->used, &s->node);
    s->is_taken = true;
    *out = s;
    return SQLITE_OK;
}

int statement_give(struct statement **taken)
{
    struct statement *s = *taken;
    *taken = NULL;
    int rc = sqlite3_reset(s->stmt);
    sqlite3_clear_bindings(s->stmt);
    s->is_taken = false;
    if (!s->is_kept)
        discard(s);
    return rc;
}
