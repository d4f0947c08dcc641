#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* How many bytes a character that begins like this has, 0 when none begins like this. */
static size_t count_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc0 || first >= 0xf8)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_read(const char *text, size_t size, uint32_t *rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t count = count_of(first);
    if (count == 0 || count > size)
        return 0;
    *rune = count == 1 ? first : first & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        *rune = *rune << 6 | ((unsigned char)text[i] & 0x3f);
    }
    bool is_surrogate = *rune >> 11 == 0xd800 >> 11;
    return *rune < least[count] || *rune > 0x10ffff || is_surrogate ? 0 : count;
}

void utf8_trim(char *text)
{
    size_t size = strlen(text), from = size;
    while (from > 0 && size - from < 3 && ((unsigned char)text[from - 1] & 0xc0) == 0x80)
        from--;
    if (from > 0 && count_of((unsigned char)text[from - 1]) > size - from + 1)
        text[from - 1] = '\0';
}
