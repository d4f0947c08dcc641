/* What drivers were compiled against first: engine/nebula_driver.h as it was then, for foreign_spec.lua.
 * It is never changed. */
#ifndef NEBULA_DRIVER_H
#define NEBULA_DRIVER_H
#include <sys/socket.h>
#include "nebula.h"
#define NEBULA_DRIVER_ABI 1
struct nebula_driver_calls;
struct nebula_conn {
    const struct nebula_driver_calls *engine;
};
struct nebula_target {
    const char *resource;
    const struct nebula_option *option;
    int32_t options;
    int32_t role;
};
struct nebula_driver_request {
    int32_t verb;
    int32_t count;
    const struct nebula_value *value;
    const char *text;
    uint32_t text_size;
    int32_t window;
    int64_t deadline_us;
};
struct nebula_result_type {
    void (*cell)(const void *result, int32_t row, int32_t column, struct nebula_value *out);
    void (*column)(const void *result, int32_t column, struct nebula_column *out);
    void (*free)(void *result);
};
enum {
    NEBULA_IN_TRANSACTION = 1,
    NEBULA_DIRTY = 2,
    NEBULA_STREAMING = 4,
    NEBULA_UNUSABLE = 8,
};
struct nebula_driver_reply {
    int32_t code;
    bool is_partial;
    bool more;
    const char *text;
    const char *state;
    int32_t session;
    int32_t rows, columns;
    void *result;
    const struct nebula_result_type *result_type;
    int64_t changed;
    int64_t last_id;
};
struct nebula_addresses {
    int32_t count;
    const struct sockaddr_storage *address;
    const socklen_t *size;
};
enum { NEBULA_READ = 1, NEBULA_WRITE = 2 };
struct nebula_driver_calls {
    uint32_t abi, size;
    void (*opened)(struct nebula_conn *c);
    void (*replied)(struct nebula_conn *c, const struct nebula_driver_reply *reply);
    void (*failed)(struct nebula_conn *c, int32_t code, const char *text);
    void (*cancelled)(struct nebula_conn *c);
    void (*closed)(struct nebula_conn *c);
    void (*notice)(struct nebula_conn *c, const char *text);
    const char *(*option)(const struct nebula_conn *c, const char *name, const char *fallback);
    int64_t (*now_us)(const struct nebula_conn *c);
    bool (*watch)(struct nebula_conn *c, int32_t fd, int32_t events);
    void (*soon)(struct nebula_conn *c);
    bool (*resolve)(struct nebula_conn *c, const char *host, const char *service);
    bool (*work)(struct nebula_conn *c, void (*run)(struct nebula_conn *c));
    void (*told)(struct nebula_conn *c, const char *channel, const char *bytes, uint32_t size,
                 int64_t from);
};
struct nebula_driver {
    uint32_t abi;
    uint32_t size;
    uint32_t conn_size;
    void (*open)(struct nebula_conn *c, const struct nebula_target *to);
    void (*send)(struct nebula_conn *c, const struct nebula_driver_request *r);
    void (*cancel)(struct nebula_conn *c);
    void (*close)(struct nebula_conn *c);
    void (*ready)(struct nebula_conn *c, int32_t events);
    void (*soon)(struct nebula_conn *c);
    void (*resolved)(struct nebula_conn *c, const struct nebula_addresses *found, const char *why);
    void (*worked)(struct nebula_conn *c);
};
#endif
