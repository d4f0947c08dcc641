/* postgres_statements.c - what is prepared on this connection, and what is worth it.
 *
 * A statement is prepared at its second use on a connection, in the same round trip. Measured with
 * libpq and a small select, in us a call: 185 for a statement that is sent unprepared, 200 to 220
 * when a named statement is made for it, 240 to 290 when another one is deallocated too, 105 to 125
 * once it is prepared. So what runs once is cheapest unprepared, and takes no memory in the server;
 * what runs twice is paid back at the third run.
 *
 * The same text with BYTES in other places is another statement, since only BYTES tell their type.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "drivers/postgres.h"

void pg_statements_init(struct pg_statements *s, uint32_t most)
{
    *s = (struct pg_statements){.most = most};
    list_init(&s->used);
}

void pg_statements_fini(struct pg_statements *s)
{
    pg_statements_forget(s);
    free(s->table);
    s->table = NULL;
}

struct pg_name pg_statement_name(uint32_t id)
{
    struct pg_name name;
    snprintf(name.text, sizeof name.text, "nebula%u", (unsigned)id);
    return name;
}

/* --- keys ------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

/* Eight bytes at a time: this is due for each call that is not the same as the last. */
static uint64_t hash_of(const struct request *r)
{
    uint64_t hash = r->text_size, word;
    const char *at = r->text, *end = r->text + r->text_size;
    for (; end - at >= (ptrdiff_t)sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, at, (size_t)(end - at));
    hash = mix(hash, word);
    for (int32_t i = 0; i < r->count; i++)
        if (r->value[i].type == NEBULA_BYTES)
            hash = mix(hash, (uint64_t)i);
    return hash;
}

/* The positions of BYTES follow the text, two bytes each. */
static size_t tail_size(const struct request *r)
{
    size_t size = 0;
    for (int32_t i = 0; i < r->count; i++)
        size += r->value[i].type == NEBULA_BYTES ? sizeof(uint16_t) : 0;
    return size;
}

static void write_tail(char *out, const struct request *r)
{
    for (int32_t i = 0; i < r->count; i++)
        if (r->value[i].type == NEBULA_BYTES) {
            uint16_t at = (uint16_t)i;
            memcpy(out, &at, sizeof at);
            out += sizeof at;
        }
}

static bool has_tail(const struct pg_statement *it, const struct request *r)
{
    const char *at = it->key + it->text_size + 1, *end = it->key + it->size;
    for (int32_t i = 0; i < r->count; i++) {
        if (r->value[i].type != NEBULA_BYTES)
            continue;
        uint16_t position = (uint16_t)i;
        if (at == end || memcmp(at, &position, sizeof position) != 0)
            return false;
        at += sizeof position;
    }
    return at == end;
}

static bool is_for(const struct pg_statement *it, const struct request *r)
{
    return it->text_size == r->text_size && memcmp(it->key, r->text, r->text_size) == 0 &&
           has_tail(it, r);
}

static struct pg_statement *find(struct pg_statements *s, const struct request *r, uint64_t hash)
{
    struct pg_statement *it = s->table == NULL ? NULL : s->table->bucket[hash % PG_BUCKETS];
    while (it != NULL && !(it->hash == hash && is_for(it, r)))
        it = it->next;
    return it;
}

/* The last one used; often it is the next one too, and to compare texts takes less than to hash. */
static struct pg_statement *newest(const struct pg_statements *s)
{
    struct list_node *n = list_head(&s->used);
    return n == NULL ? NULL : container_of(n, struct pg_statement, node);
}

/* --- coming and going ------------------------------------------------------------------------- */

void pg_statement_leave(struct pg_statement **it)
{
    struct pg_statement *left = *it;
    *it = NULL;
    if (left != NULL && --left->flights == 0 && left->is_dropped)
        free(left);
}

/* It is off the list already. */
static void forget(struct pg_statements *s, struct pg_statement *it)
{
    struct pg_statement **at = &s->table->bucket[it->hash % PG_BUCKETS];
    while (*at != it)
        at = &(*at)->next;
    *at = it->next;
    s->bytes -= it->size;
    it->is_dropped = true;
    if (it->flights == 0)
        free(it);
}

void pg_statements_drop(struct pg_statements *s, struct pg_statement *it)
{
    if (it->is_dropped)
        return;
    list_remove(&s->used, &it->node);
    forget(s, it);
}

static bool is_in_server(const struct pg_statement *it)
{
    return it->is_prepared || it->is_on_its_way;
}

void pg_statements_retire(struct pg_statements *s, struct pg_statement *it)
{
    if (is_in_server(it) && !it->is_dropped && s->gones < PG_GONE_MOST)
        s->table->gone[s->gones++] = it->id;
    pg_statements_drop(s, it);
}

void pg_statements_forget(struct pg_statements *s)
{
    struct list_node *n;
    while ((n = list_pop_head(&s->used)) != NULL)
        forget(s, container_of(n, struct pg_statement, node));
    s->gones = 0;
}

/* The longest unused ones leave. False when too many wait to be deallocated: a long transaction, in
 * which that is not tried. */
static bool make_room(struct pg_statements *s, size_t size)
{
    while (s->used.count >= s->most || s->bytes + size > PG_STATEMENTS_BYTES) {
        struct list_node *n = list_tail(&s->used);
        CHECK(n != NULL);
        struct pg_statement *last = container_of(n, struct pg_statement, node);
        if (is_in_server(last) && s->gones == PG_GONE_MOST)
            return false;
        pg_statements_retire(s, last);
    }
    return true;
}

static struct pg_statement *add(struct pg_statements *s, const struct request *r, uint64_t hash)
{
    size_t size = (size_t)r->text_size + 1 + tail_size(r);
    if (s->table == NULL)
        s->table = calloc(1, sizeof *s->table);
    if (s->table == NULL || size > PG_STATEMENT_SIZE || !make_room(s, size))
        return NULL;
    struct pg_statement *it = malloc(sizeof *it + size);
    if (it == NULL)
        return NULL;
    *it = (struct pg_statement){.hash = hash,
                                .id = ++s->last_id,
                                .text_size = r->text_size,
                                .size = (uint32_t)size,
                                .is_suspect = pg_text_is_suspect(r->text)};
    it->name = pg_statement_name(it->id);
    memcpy(it->key, r->text, (size_t)r->text_size + 1);
    write_tail(it->key + r->text_size + 1, r);
    it->next = s->table->bucket[hash % PG_BUCKETS];
    s->table->bucket[hash % PG_BUCKETS] = it;
    node_init(&it->node);
    list_push_head(&s->used, &it->node);
    s->bytes += size;
    return it;
}

static struct pg_statement *use(struct pg_statements *s, const struct request *r, bool *is_new_out)
{
    struct pg_statement *it = newest(s);
    *is_new_out = false;
    if (it != NULL && is_for(it, r))
        return it;
    if (s->most == 0)
        return NULL;
    uint64_t hash = hash_of(r);
    it = find(s, r, hash);
    *is_new_out = it == NULL;
    if (it == NULL)
        return add(s, r, hash);
    list_remove(&s->used, &it->node);
    list_push_head(&s->used, &it->node);
    return it;
}

struct pg_statement *pg_statements_use(struct pg_statements *s, const struct request *r,
                                       bool *is_new_out)
{
    struct pg_statement *it = use(s, r, is_new_out);
    if (it != NULL)
        it->flights++;
    return it;
}
