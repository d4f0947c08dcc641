#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    }
    return "a device";
}

/* Is it a file that may be read? If not, text says why. */
static bool is_readable(int fd, size_t most, bool is_secret, char *text)
{
    struct stat s;
    if (fstat(fd, &s) != 0) {
        snprintf(text, FILE_TEXT_SIZE, "cannot be looked at: %s", strerror(errno));
        return false;
    }
    if (!S_ISREG(s.st_mode)) {
        snprintf(text, FILE_TEXT_SIZE, "is %s, not a file", type_name(s.st_mode));
        return false;
    }
    if (is_secret && (s.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        snprintf(text, FILE_TEXT_SIZE,
                 "may be read or written by others, with secrets in it: chmod 600");
        return false;
    }
    if (s.st_size > (off_t)most) {
        snprintf(text, FILE_TEXT_SIZE, "has %lld bytes; the bound is %zu", (long long)s.st_size,
                 most);
        return false;
    }
    return true;
}

/* One byte more than `most` fits, so that a file that has grown since is noticed. */
static bool fill(int fd, char *bytes, size_t most, size_t *size_out, char *text)
{
    size_t size = 0;
    while (size <= most) {
        ssize_t got = read(fd, bytes + size, most + 1 - size);
        if (got == 0) {
            *size_out = size;
            return true;
        }
        if (got > 0) {
            size += (size_t)got;
        } else if (errno != EINTR) {
            snprintf(text, FILE_TEXT_SIZE, "cannot be read: %s", strerror(errno));
            return false;
        }
    }
    snprintf(text, FILE_TEXT_SIZE, "has more than %zu bytes", most);
    return false;
}

static char *read_open(int fd, size_t most, bool is_secret, size_t *size_out, char *text)
{
    if (!is_readable(fd, most, is_secret, text))
        return NULL;
    char *bytes = malloc(most + 1);
    if (bytes == NULL) {
        snprintf(text, FILE_TEXT_SIZE, "cannot be read: no memory");
        return NULL;
    }
    if (!fill(fd, bytes, most, size_out, text)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static char *read_path(const char *path, size_t most, bool is_secret, size_t *size_out, char *text)
{
    /* O_NONBLOCK: opening a FIFO returns at once. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(text, FILE_TEXT_SIZE, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    char *bytes = read_open(fd, most, is_secret, size_out, text);
    close(fd);
    return bytes;
}

char *file_read(const char *path, size_t most, size_t *size_out, char *text)
{
    return read_path(path, most, false, size_out, text);
}

char *file_read_secret(const char *path, size_t most, size_t *size_out, char *text)
{
    return read_path(path, most, true, size_out, text);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);
    return size > end && strcmp(name + size - end, suffix) == 0;
}

static bool is_meant(const char *name, const char *suffix)
{
    return name[0] != '.' && strchr(name, '\n') == NULL && has_suffix(name, suffix);
}

static char *join(struct dirent **entry, int entries, const char *suffix, int most, char *text)
{
    size_t size = 1;
    int names = 0;
    for (int i = 0; i < entries; i++) {
        if (is_meant(entry[i]->d_name, suffix)) {
            size += strlen(entry[i]->d_name) + 1;
            names++;
        }
    }
    if (names > most) {
        snprintf(text, FILE_TEXT_SIZE, "holds %d files; the bound is %d", names, most);
        return NULL;
    }
    char *all = malloc(size), *end = all;
    if (all == NULL) {
        snprintf(text, FILE_TEXT_SIZE, "cannot be read: no memory");
        return NULL;
    }
    for (int i = 0; i < entries; i++) {
        if (is_meant(entry[i]->d_name, suffix)) {
            end = stpcpy(end, entry[i]->d_name);
            *end++ = '\n';
        }
    }
    *end = '\0';
    return all;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

char *file_names(const char *folder, const char *suffix, int most, char *text)
{
    struct dirent **entry = NULL;
    int entries = scandir(folder, &entry, NULL, by_bytes);
    if (entries < 0) {
        snprintf(text, FILE_TEXT_SIZE, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    char *all = join(entry, entries, suffix, most, text);
    for (int i = 0; i < entries; i++)
        free(entry[i]);
    free(entry);
    return all;
}
