/* file.h - files as input: read whole, with a bound, and without ever waiting for one.
 *
 * Folders of declarations belong to somebody else. What stands there may be a FIFO nobody writes
 * to, a device without an end or a file larger than memory; each is refused in a sentence and costs
 * nothing.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define FILE_TEXT_SIZE 160

/* The bytes of a regular file (links are followed), size_out of them, to be freed by the caller.
 * NULL when there is no such file, it is no file, or it has more than `most` bytes: text
 * (FILE_TEXT_SIZE) says which. */
char *file_read(const char *path, size_t most, size_t *size_out, char *text);

/* The same, and NULL when its group or the world may do anything with it. */
char *file_read_secret(const char *path, size_t most, size_t *size_out, char *text);

/* The names in a folder that end in `suffix` ("": all), sorted, each followed by a newline, to be
 * freed by the caller. Hidden ones (a leading dot) and those with a newline in them are left out.
 * NULL with a sentence when the folder cannot be read or has more than `most` such names. */
char *file_names(const char *folder, const char *suffix, int most, char *text);

#endif
