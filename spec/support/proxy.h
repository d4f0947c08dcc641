/* proxy.h - what the files of the fault proxy share. See proxy.c for what it does.
 *
 *   proxy.c           connections come, and the loop
 *   proxy_commands.c  what is asked of it
 *   proxy_link.c      one connection
 */
#ifndef SPEC_PROXY_H
#define SPEC_PROXY_H

#include <netinet/in.h>

#include "proxy_link.h"

#define LINKS_MOST 256

struct proxy {
    struct sockaddr_in server, door;
    int listener; /* -1 while refusing */
    struct link *link[LINKS_MOST];
    int links;
    struct weather sky;
    struct fate fate; /* of a new link */
    bool is_once;     /* of the next one alone */
    uint64_t accepted;
    struct bytes bytes;
    char line[128]; /* of a command, as far as it came */
    size_t line_size;
};

void proxy_listen(struct proxy *p);
void proxy_drop(struct proxy *p, int i, bool is_reset); /* the i-th link */
/* Reads stdin, obeys and answers; ends the program with it. */
void proxy_read_commands(struct proxy *p);

#endif
