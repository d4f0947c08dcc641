/* channel.h - the channels that somebody listens to, by name, and who that is.
 *
 * A channel is there while it has members, or while the server may still tell something on it: the
 * ear (ear.h) says when that is over.
 */
#ifndef CORE_CHANNEL_H
#define CORE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define CHANNEL_BUCKETS 64
#define CHANNELS_MOST 10000

struct hearer;

struct channel {
    struct list_node node; /* among all */
    struct channel *next;  /* in its bucket */
    struct list members;
    bool is_in_force; /* the server has agreed to tell what comes on it */
    bool is_known;    /* it did so once: its name is good */
    bool is_asked;    /* it is being asked to begin, or to end */
    uint32_t size;
    char name[]; /* NUL-terminated */
};

/* One hearer at one channel. */
struct member {
    struct list_node in_channel, in_hearer;
    struct channel *channel;
    struct hearer *hearer;
};

struct channels {
    struct list all;
    struct channel *bucket[CHANNEL_BUCKETS];
};

void channels_init(struct channels *s);
struct channel *channels_find(const struct channels *s, const char *name); /* NULL: none */
/* The one of this name, made if there is none; NULL when out of memory or at the bound. */
struct channel *channels_use(struct channels *s, const char *name);
/* Frees it if it has neither members nor anything to do with the server. */
void channels_drop(struct channels *s, struct channel *c);

/* What is to be asked of the server: for what it agreed to once; to end what everybody has left,
 * which is not in force from then on. False when there is nothing. */
bool channels_ask_known(struct channels *s);
bool channels_ask_left(struct channels *s);
/* The kind's words (nebula_spec.listen) for all that is to be asked, without a NUL at the end. Counts
 * the bytes and, unless to is NULL, writes them. */
size_t channels_words(const struct channels *s, const char *words, char *to);
/* It was asked: is_agreed: what was asked is in force. Drops what nobody needs any more. */
void channels_answered(struct channels *s, bool is_agreed);
/* The server knows of none any more. */
void channels_lost(struct channels *s);

#endif
