/* utf8.h - characters in bytes that claim to be UTF-8.
 *
 * What people read comes from servers, files and command lines, so any byte may be in it; what we
 * hand on (log lines, JSON) must be UTF-8, or nobody can read it.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD "\xef\xbf\xbd" /* U+FFFD: something was here */

/* The bytes of the character that text begins with, its number in *rune; 0 when it is not UTF-8. */
size_t utf8_read(const char *text, size_t size, uint32_t *rune);

/* Takes the piece of a character off the end of a text that was cut there. */
void utf8_trim(char *text);

#endif
