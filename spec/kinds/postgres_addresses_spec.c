/* postgres_addresses_spec.c - a name with several addresses: each is tried, also behind one that takes
 * the connection and then says nothing.
 */
#include "core/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "support/pg_lone.h"

/* The server is at 127.0.0.1 alone. At .2 somebody accepts and keeps silent, at .3 nobody is. */
static const struct {
    const char *name, *address[3];
} names[] = {
    {"silent.first", {"127.0.0.2", "127.0.0.1"}},
    {"one.refuses", {"127.0.0.3", "127.0.0.2", "127.0.0.1"}},
    {"all.silent", {"127.0.0.2", "127.0.0.2"}},
};

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    lookup *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(host, names[i].name) != 0)
            continue;
        for (size_t n = 0; n < COUNT(names[i].address) && names[i].address[n] != NULL; n++) {
            CHECK(real(names[i].address[n], service, hints, found) == 0);
            found = &(*found)->ai_next;
        }
        return 0;
    }
    return real(host, service, hints, found);
}

static int listen_silently(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(pg_lone_server()->port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    CHECK(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr) == 1);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    return fd;
}

static void init(struct lone *l, const char *name)
{
    pg_lone_init(l, (const char *const[]){"host", name, "port", pg_lone_server()->port, "user",
                                          "app", "password", "sesame-open", NULL});
}

static void the_next_one_is_tried_behind_one_that_keeps_silent(void **unused)
{
    (void)unused;
    const char *const name[] = {"silent.first", "one.refuses"};
    int fd = listen_silently();
    for (size_t i = 0; i < COUNT(name); i++) {
        struct lone l;
        init(&l, name[i]);
        assert_int_equal(lone_open(&l), ERROR_OK);
        assert_true(loop_now_us(l.loop) < l.open_until_us);
        assert_int_equal(pg_lone_integer(&l, "select 7"), 7);
        lone_turn(&l, l.open_until_us - loop_now_us(l.loop)); /* and nothing is left of the turns */
        assert_int_equal(pg_lone_integer(&l, "select 8"), 8);
        lone_close(&l);
    }
    close(fd);
}

static void when_all_keep_silent_the_core_ends_it(void **unused)
{
    (void)unused;
    int fd = listen_silently();
    struct lone l;
    for (int64_t span = 1; span < 1200 * MS; span += 399 * MS) {
        init(&l, "all.silent");
        lone_begin_open(&l);
        lone_turn(&l, span);
        assert_true(l.is_opening);
        lone_close(&l);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_one_is_tried_behind_one_that_keeps_silent),
        cmocka_unit_test(when_all_keep_silent_the_core_ends_it),
    };
    return pg_lone_run(tests, COUNT(tests));
}
