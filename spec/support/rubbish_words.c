#include "rubbish_words.h"

#include <string.h>

#include "base/check.h"

uint32_t words_roll(struct words *w, uint32_t below)
{
    w->dice ^= w->dice << 13;
    w->dice ^= w->dice >> 7;
    w->dice ^= w->dice << 17;
    return (uint32_t)(w->dice >> 33) % below;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void put(struct words *w, const void *bytes, size_t size)
{
    if (w->size + size > sizeof w->bytes) /* the rest is not said */
        size = sizeof w->bytes - w->size;
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_int(struct words *w, uint32_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        put(w, &(unsigned char){(unsigned char)(number >> (8 * i))}, 1);
}

static void put_text(struct words *w, const char *text)
{
    put(w, text, strlen(text) + 1);
}

/* Where the length has to be written at the end. */
static size_t begin(struct words *w, char type)
{
    put(w, &type, 1);
    put_int(w, 0, 4);
    return w->size - 4;
}

static void end(struct words *w, size_t at)
{
    uint32_t length = (uint32_t)(w->size - at);
    for (int i = 0; i < 4 && at + 4 <= sizeof w->bytes; i++)
        w->bytes[at + (size_t)i] = (unsigned char)(length >> (24 - 8 * i));
}

static void say(struct words *w, char type, const void *bytes, size_t size)
{
    size_t at = begin(w, type);
    put(w, bytes, size);
    end(w, at);
}

/* --- messages --------------------------------------------------------------------------------- */

static const struct cell {
    uint32_t oid;
    const char *text;
} cells[] = {
    {16, "t"},
    {17, "\\x00ff7f"},
    {17, "a\\000b\\\\"},
    {17, "\\x0"},
    {17, ""},
    {20, "-9223372036854775808"},
    {20, "99999999999999999999999"},
    {23, "42"},
    {23, ""},
    {25, "words of a server"},
    {26, "4294967295"},
    {114, "{\"a\":[1,null]}"},
    {700, "1.5"},
    {701, "-Infinity"},
    {701, "1e999"},
    {1007, "{1,NULL,{3}}"},
    {1184, "2024-01-02 03:04:05.000006+00"},
    {1186, "1 year -2 days 00:00:01"},
    {1700, "12345678901234567890.5"},
    {2249, "(1,\"a \"\"b\"\"\",)"},
    {3904, "[1,5)"},
    {3904, "empty"},
    {3913, "{\"[2024-01-02,infinity)\",NULL}"},
    {4451, "{[1,2),[4,)}"},
    {16385, "(1,\"(2024-01-02,\"\"[1,5)\"\")\",\"{x,y}\")"},
    {0, "?"},
};

static void say_columns(struct words *w, uint32_t columns, const struct cell *const *cell)
{
    size_t at = begin(w, 'T');
    put_int(w, columns, 2);
    for (uint32_t i = 0; i < columns; i++) {
        put_text(w, words_roll(w, 8) == 0 ? "" : "column");
        put_int(w, 0, 4);
        put_int(w, i, 2);
        put_int(w, cell[i]->oid, 4);
        put_int(w, (uint32_t)-1, 2);
        put_int(w, (uint32_t)-1, 4);
        put_int(w, words_roll(w, 20) == 0, 2);
    }
    end(w, at);
}

static void say_row(struct words *w, uint32_t columns, const struct cell *const *cell)
{
    size_t at = begin(w, 'D');
    put_int(w, columns, 2);
    for (uint32_t i = 0; i < columns; i++) {
        bool is_null = words_roll(w, 10) == 0;
        put_int(w, is_null ? (uint32_t)-1 : (uint32_t)strlen(cell[i]->text), 4);
        if (!is_null)
            put(w, cell[i]->text, strlen(cell[i]->text));
    }
    end(w, at);
}

static void say_rows(struct words *w)
{
    const struct cell *cell[8];
    uint32_t columns = words_roll(w, COUNT(cell) + 1), rows = words_roll(w, 12);
    for (size_t i = 0; i < COUNT(cell); i++)
        cell[i] = i < columns ? &cells[words_roll(w, COUNT(cells))] : NULL;
    say_columns(w, columns, cell);
    for (uint32_t i = 0; i < rows; i++)
        say_row(w, words_roll(w, 50) == 0 ? words_roll(w, columns + 1) : columns, cell);
}

/* E or N */
static void say_complaint(struct words *w, char type)
{
    static const char *const severity[] = {"ERROR", "FATAL", "PANIC", "WARNING", "FEHLER", ""};
    static const char *const state[] = {"42601", "57P01", "40001", "25006", "08006",   "0A000",
                                        "26000", "57014", "53300", "2",     "\xff\xfe"};
    static const char *const rest[] = {"Dx",
                                       "Hy",
                                       "P7",
                                       "CCOPY t, line 3, column a: \"x\"",
                                       "Ft",
                                       "RRevalidateCachedQuery",
                                       "W COPY t, line 99999999999999",
                                       "nkey",
                                       "WCOPY , line",
                                       "W\xe8\xa1\x8c 12"};
    size_t at = begin(w, type);
    put(w, "V", 1);
    put_text(w, severity[words_roll(w, COUNT(severity))]);
    if (words_roll(w, 10) != 0) {
        put(w, "C", 1);
        put_text(w, state[words_roll(w, COUNT(state))]);
    }
    if (words_roll(w, 10) != 0)
        put_text(w, "Msomething is wrong");
    for (uint32_t i = words_roll(w, 4); i > 0; i--)
        put_text(w, rest[words_roll(w, COUNT(rest))]);
    put(w, "", 1);
    end(w, at);
}

static void say_complete(struct words *w)
{
    static const char *const tag[] = {"SELECT 3",
                                      "INSERT 0 1",
                                      "UPDATE 99999999999999999999",
                                      "COMMIT",
                                      "ROLLBACK",
                                      "PREPARE",
                                      "SET",
                                      "DISCARD ALL",
                                      "COPY 12",
                                      "DEALLOCATE",
                                      "",
                                      "CREATE TABLE AS"};
    const char *text = tag[words_roll(w, COUNT(tag))];
    say(w, 'C', text, strlen(text) + 1);
}

static void say_copy(struct words *w)
{
    static const char way[] = {'G', 'H', 'H', 'W'};
    size_t at = begin(w, way[words_roll(w, COUNT(way))]);
    put_int(w, words_roll(w, 2), 1);
    put_int(w, 2, 2);
    put_int(w, 0, 4);
    end(w, at);
    for (uint32_t i = words_roll(w, 6); i > 0; i--)
        say(w, 'd', "1\tone\n", words_roll(w, 7));
    if (words_roll(w, 4) != 0)
        say(w, 'c', "", 0);
}

static void say_ready(struct words *w)
{
    static const char status[] = {'I', 'I', 'I', 'I', 'T', 'E', '?'};
    say(w, 'Z', &status[words_roll(w, COUNT(status))], 1);
}

static void say_setting(struct words *w)
{
    static const char *const name[] = {"server_version", "client_encoding", "DateStyle", "x"};
    static const char *const value[] = {"15.4", "UTF8", "SQL_ASCII", "", "ISO, MDY"};
    size_t at = begin(w, 'S');
    put_text(w, name[words_roll(w, COUNT(name))]);
    put_text(w, value[words_roll(w, COUNT(value))]);
    end(w, at);
}

static void say_notification(struct words *w)
{
    size_t at = begin(w, 'A');
    put_int(w, words_roll(w, 100), 4);
    put_text(w, words_roll(w, 4) == 0 ? "" : "channel");
    put_text(w, "payload");
    end(w, at);
}

static void say_authentication(struct words *w)
{
    static const uint32_t kind[] = {0, 0, 3, 5, 7, 10, 11, 12, 99};
    size_t at = begin(w, 'R');
    put_int(w, kind[words_roll(w, COUNT(kind))], 4);
    if (words_roll(w, 2) == 0)
        put_text(w, "SCRAM-SHA-256");
    put_text(w, words_roll(w, 2) == 0 ? "" : "r=abc,s=AAAA,i=4096");
    end(w, at);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void greet(struct words *w)
{
    say(w, 'R', "\0\0\0\0", 4);
    say(w, 'S',
        "server_version\0"
        "15.4",
        20);
    say(w, 'S', "client_encoding\0UTF8", 21);
    say(w, 'K', "\0\0\0\1\0\0\0\2", 8);
    say(w, 'Z', "I", 1);
}

static void execute(struct words *w)
{
    switch (words_roll(w, 8)) {
    case 0:
        say_complaint(w, 'E');
        return;
    case 1:
        say_copy(w);
        break;
    case 2:
    case 3:
        break;
    default:
        say_rows(w);
    }
    say_complete(w);
}

void words_answer(struct words *w, const struct turn *turn)
{
    w->size = 0;
    if (turn->is_first) {
        greet(w);
        return;
    }
    for (int i = 0; i < turn->parses; i++)
        say(w, '1', "", 0);
    for (int i = 0; i < turn->binds; i++)
        say(w, '2', "", 0);
    if (turn->executes == 0 && turn->describes > 0)
        say(w, 'n', "", 0);
    if (turn->executes > 0 || turn->is_query)
        execute(w);
    for (int i = 0; i < turn->syncs + turn->is_query; i++)
        say(w, 'Z', "I", 1);
}

void words_babble(struct words *w)
{
    w->size = 0;
    for (uint32_t i = 1 + words_roll(w, 8); i > 0; i--) {
        static const char empty[] = {'1', '2', '3', 'n', 'I', 's', 'c', 't', 'v', 'd'};
        switch (words_roll(w, 11)) {
        case 0:
            say_authentication(w);
            break;
        case 1:
            say_setting(w);
            break;
        case 2:
            say_complaint(w, 'E');
            break;
        case 3:
            say_complaint(w, 'N');
            break;
        case 4:
            say_notification(w);
            break;
        case 5:
            say_copy(w);
            break;
        case 6:
            say_rows(w);
            break;
        case 7:
            say_complete(w);
            break;
        case 8:
            say(w, empty[words_roll(w, COUNT(empty))], "\0\0\0\0", words_roll(w, 5));
            break;
        default:
            say_ready(w);
        }
    }
    if (words_roll(w, 3) != 0)
        say(w, 'Z', "I", 1);
}

/* --- spoiling --------------------------------------------------------------------------------- */

/* Takes out a part, or says it twice. */
static void cut_or_double(struct words *w, size_t at, bool is_double)
{
    size_t most = w->size - at, part = 1 + words_roll(w, most > 40 ? 40 : (uint32_t)most);
    if (is_double && w->size + part <= sizeof w->bytes) {
        memmove(w->bytes + at + part, w->bytes + at, most);
        w->size += part;
    } else if (!is_double) {
        memmove(w->bytes + at, w->bytes + at + part, most - part);
        w->size -= part;
    }
}

static void spoil_once(struct words *w)
{
    size_t at = words_roll(w, (uint32_t)w->size);
    switch (words_roll(w, 6)) {
    case 0:
        w->bytes[at] ^= (unsigned char)(1U << words_roll(w, 8));
        return;
    case 1:
        w->bytes[at] = (unsigned char)words_roll(w, 256);
        return;
    case 2:
        w->bytes[at] = words_roll(w, 2) == 0 ? 0 : 255;
        return;
    case 3:
        cut_or_double(w, at, false);
        return;
    case 4:
        cut_or_double(w, at, true);
        return;
    case 5:
        w->size = at;
    }
}

void words_spoil(struct words *w)
{
    for (uint32_t i = 1 + words_roll(w, 3); i > 0 && w->size > 0; i--)
        spoil_once(w);
}
