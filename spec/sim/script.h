/* script.h - drivers that say what a spec has written down, one answer for each request, and note what they are given.
 *
 * `script` takes batches, `script_plain` takes none. Where nothing more is written down each says that it worked, and so it
 * does of the pool's own reset.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "core/driver.h"
#include "rig.h"

/* To one request. Of a batch it is said of the whole, and each part brings rows. */
struct said {
    enum error_code code;
    bool is_nothing; /* until it is cancelled */
    bool is_lost;    /* with the connection */
    bool is_sent;    /* a byte has left */
    bool is_partial; /* with the error: some of it was done */
    bool has_rows;   /* whatever the code is */
    bool part_fails; /* the first one of a batch */
    bool wants_again, wants_writer;
};

/* What a request was when it came. */
struct given {
    int64_t at_us, deadline_us;
    const struct context *context;
    int32_t role;
    bool is_sent;
};

#define SCRIPT_MOST 8

struct script {
    const struct said *said; /* the next one */
    int left, count, resets;
    struct given given[SCRIPT_MOST];
    bool is_close_slow; /* script_closed() says when it is over */
    struct conn *conn;  /* the newest */
};
extern struct script script;
extern const struct driver script_driver, script_plain_driver;

/* A rig with one connection of `script_plain` at most and some retries, to be opened; of what is said each time anew. */
void script_begin(struct rig *r, const struct said *said, int count);
/* Asks for something and waits for what comes of it. */
struct nebula_reply script_ask(struct rig *r, struct nebula_request request);
/* Waits for its sentence, before it is given back. */
void script_says(struct rig *r, int32_t ticket, const char *text);
void script_closed(void);

#endif
