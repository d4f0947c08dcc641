#include "drivers/sqlite_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/check.h"

struct reading {
    const struct target *target;
    struct error *error;
    bool is_good;
};

static void refuse(struct reading *r, const char *name, const char *value, const char *wanted)
{
    if (r->is_good)
        error_set(r->error, ERROR_CONFIG, "%s = \"%s\": %s", name, value, wanted);
    r->is_good = false;
}

/* One of the NULL-terminated words, the first being the default. */
static const char *read_word(struct reading *r, const char *name, const char *const *words,
                             const char *wanted)
{
    const char *value = target_get(r->target, name, words[0]);
    for (; *words != NULL; words++)
        if (strcmp(*words, value) == 0)
            return value;
    refuse(r, name, value, wanted);
    return value;
}

static bool read_switch(struct reading *r, const char *name)
{
    static const char *const words[] = {"on", "off", NULL};
    return strcmp(read_word(r, name, words, "write on or off"), "on") == 0;
}

static int64_t read_size(struct reading *r, const char *name)
{
    const char *value = target_get(r->target, name, "0");
    char *end;
    errno = 0;
    int64_t size = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || size < 0)
        refuse(r, name, value, "write a number of bytes");
    return size;
}

static void read_file(struct reading *r, struct sqlite_options *o)
{
    o->file = target_get(r->target, "file", "");
    o->is_memory = strcmp(o->file, ":memory:") == 0;
    o->is_writer = o->is_memory || r->target->role == 1;
    if (o->file[0] == '\0')
        refuse(r, "file", o->file, "name a file, or :memory:");
    if (strncmp(o->file, "file:", 5) == 0)
        refuse(r, "file", o->file, "write the path alone, file: addresses are not understood");
    if (o->is_memory && r->target->role != 0)
        refuse(r, "file", o->file,
               "every connection has a database of its own, so there can be one: "
               "declare pool = { max = 1 }, or name a file");
}

enum error_code sqlite_options_read(struct sqlite_options *o, const struct target *t,
                                    struct error *e)
{
    static const char *const journal[] = {"wal", "delete", "truncate", "persist", NULL};
    static const char *const synchronous[] = {"full", "off", "normal", "extra", NULL};
    struct reading r = {.target = t, .error = e, .is_good = true};
    *o = (struct sqlite_options){.file = NULL};
    read_file(&r, o);
    o->journal = read_word(&r, "journal", journal, "write wal, delete, truncate or persist");
    o->synchronous = read_word(&r, "synchronous", synchronous, "write off, normal, full or extra");
    o->may_create = read_switch(&r, "create");
    o->foreign_keys = read_switch(&r, "foreign_keys");
    o->cache_size = read_size(&r, "cache_size");
    o->page_size = read_size(&r, "page_size");
    o->mmap_size = read_size(&r, "mmap_size");
    return r.is_good ? ERROR_OK : ERROR_CONFIG;
}

bool sqlite_options_is_wal(const struct sqlite_options *o)
{
    return strcmp(o->journal, "wal") == 0;
}

/* --- where the file lies -------------------------------------------------------------------- */

/* What may be mounted on several machines at once. FUSE is not here: most of it is local, and it
 * does not say what is behind it. */
static const char *network_name(uint32_t magic)
{
    static const struct {
        uint32_t magic;
        const char *name;
    } known[] = {
        {0x00006969, "NFS"},    {0x0000517b, "SMB"},   {0xff534d42, "CIFS"},  {0xfe534d42, "SMB"},
        {0x5346414f, "AFS"},    {0x6b414653, "AFS"},   {0x01021997, "9P"},    {0x00c36400, "Ceph"},
        {0x0bd00bd0, "Lustre"}, {0x01161970, "GFS2"},  {0x7461636f, "OCFS2"}, {0x73757245, "Coda"},
        {0x0000564c, "NCP"},    {0xaad7aaea, "PanFS"}, {0x47504653, "GPFS"},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].magic == magic)
            return known[i].name;
    return NULL;
}

static bool find_file_system(const char *file, struct statfs *out)
{
    if (statfs(file, out) == 0)
        return true;
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - file) + 1;
    if (size >= sizeof folder)
        return false;
    memcpy(folder, file, size);
    folder[size] = '\0';
    return statfs(size == 0 ? "." : folder, out) == 0;
}

enum error_code sqlite_options_check_place(const struct sqlite_options *o, struct error *e)
{
    struct statfs found;
    if (o->is_memory || !sqlite_options_is_wal(o) || !find_file_system(o->file, &found))
        return ERROR_OK; /* what is not there is explained by whoever fails to open it */
    const char *name = network_name((uint32_t)found.f_type);
    if (name == NULL)
        return ERROR_OK;
    return error_set(
        e, ERROR_CONFIG,
        "%s is on a network file system (%s), where a write-ahead log loses data: write "
        "journal = \"delete\", or use a local file",
        o->file, name);
}
