/* secret.c - see secret.h.
 *
 * Values lie one behind the other in pages of their own. A page goes when its last value was
 * dropped; until then the room of dropped ones stays empty, which costs less than what a smarter
 * allocator would have to be trusted with.
 *
 * Finding must not cost more with every secret, for each line of the log pays it: what a text is
 * compared with are only the secrets that begin as it does.
 */
#include "base/secret.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct page {
    struct list_node node;
    size_t size, used;
    uint32_t live; /* secrets in it */
};

struct secret {
    struct list_node node;
    struct page *page;
    uint32_t uses;
    size_t size;
    char bytes[]; /* and a NUL */
};

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* --- safe-keeping ----------------------------------------------------------------------------- */

static struct page *page_new(struct secrets *s, size_t room)
{
    size_t size = round_up(sizeof(struct page) + room, (size_t)sysconf(_SC_PAGESIZE));
    struct page *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (mlock(p, size) != 0)
        s->is_locked = false; /* a limit of the process; better a secret in swap than no service */
    madvise(p, size, MADV_DONTDUMP);
    *p = (struct page){.size = size, .used = sizeof *p};
    node_init(&p->node);
    list_push_head(&s->pages, &p->node);
    return p;
}

static void page_free(struct secrets *s, struct page *p)
{
    size_t size = p->size;
    list_remove(&s->pages, &p->node);
    explicit_bzero(p, size);
    munmap(p, size);
}

/* The newest page if it has room, else a new one. */
static struct page *page_with(struct secrets *s, size_t room)
{
    if (list_is_empty(&s->pages))
        return page_new(s, room);
    struct page *p = container_of(list_head(&s->pages), struct page, node);
    return p->size - p->used >= room ? p : page_new(s, room);
}

/* Which list has the secrets that begin with these SECRET_SHORT bytes, and some others. */
static uint32_t index_of(const void *head)
{
    uint32_t bytes;
    memcpy(&bytes, head, sizeof bytes);
    return bytes * UINT32_C(2654435761) >> (32 - SECRET_LISTS_LOG);
}

static struct list *list_of(struct secrets *s, const char *value, size_t size)
{
    return size < SECRET_SHORT ? &s->short_ones : &s->long_ones[index_of(value)];
}

static struct secret *secret_of(struct list_node *n)
{
    return n == NULL ? NULL : container_of(n, struct secret, node);
}

static struct secret *first_of(const struct list *l)
{
    return secret_of(list_head(l));
}

static struct secret *next_of(const struct list *l, const struct secret *one)
{
    return secret_of(list_next(l, &one->node));
}

static struct secret *find(const struct list *l, const char *value, size_t size)
{
    struct secret *one = first_of(l);
    while (one != NULL && (one->size != size || memcmp(one->bytes, value, size) != 0))
        one = next_of(l, one);
    return one;
}

static struct secret *keep(struct secrets *s, const char *value, size_t size)
{
    size_t room = round_up(sizeof(struct secret) + size + 1, _Alignof(struct secret));
    struct page *p = page_with(s, room);
    if (p == NULL)
        return NULL;
    struct secret *one = (struct secret *)(void *)((char *)p + p->used);
    p->used += room;
    p->live++;
    *one = (struct secret){.page = p, .size = size};
    memcpy(one->bytes, value, size);
    one->bytes[size] = '\0';
    node_init(&one->node);
    list_push_tail(list_of(s, value, size), &one->node);
    return one;
}

static void wipe(struct secrets *s, struct secret *one)
{
    struct page *p = one->page;
    list_remove(list_of(s, one->bytes, one->size), &one->node);
    explicit_bzero(one, sizeof *one + one->size + 1);
    if (--p->live == 0)
        page_free(s, p);
}

void secrets_init(struct secrets *s)
{
    for (size_t i = 0; i < COUNT(s->long_ones); i++)
        list_init(&s->long_ones[i]);
    list_init(&s->short_ones);
    list_init(&s->pages);
    s->is_locked = true;
}

static void wipe_all(struct secrets *s, struct list *l)
{
    struct secret *one;
    while ((one = first_of(l)) != NULL)
        wipe(s, one);
}

void secrets_fini(struct secrets *s)
{
    for (size_t i = 0; i < COUNT(s->long_ones); i++)
        wipe_all(s, &s->long_ones[i]);
    wipe_all(s, &s->short_ones);
}

const char *secrets_add(struct secrets *s, const char *value, size_t size)
{
    struct secret *one = find(list_of(s, value, size), value, size);
    if (one == NULL && (one = keep(s, value, size)) == NULL)
        return NULL;
    one->uses++;
    return one->bytes;
}

void secrets_drop(struct secrets *s, const char *copy)
{
    struct secret *one = container_of(copy, struct secret, bytes);
    CHECK(one->uses > 0);
    if (--one->uses == 0)
        wipe(s, one);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* One piece of text and the bytes that it stands for; none when the end of the text cuts it. */
struct piece {
    size_t taken, count;
    unsigned char bytes[4];
};
typedef struct piece read_piece(const char *text, size_t size);

static struct piece read_plain(const char *text, size_t size)
{
    (void)size;
    return (struct piece){.taken = 1, .count = 1, .bytes = {(unsigned char)text[0]}};
}

/* The value of `digits` hexadecimal digits, -1 when they are none. */
static int32_t read_hex(const char *text, int digits)
{
    static const char digit[] = "0123456789abcdef0123456789ABCDEF";
    int32_t value = 0;
    for (int i = 0; i < digits; i++) {
        const char *d = memchr(digit, text[i], sizeof digit - 1);
        if (d == NULL)
            return -1;
        value = value << 4 | ((int32_t)(d - digit) & 15);
    }
    return value;
}

static struct piece read_percent(const char *text, size_t size)
{
    if (text[0] != '%')
        return read_plain(text, size);
    if (size < 3)
        return (struct piece){.taken = size};
    int32_t value = read_hex(text + 1, 2);
    if (value < 0)
        return read_plain(text, size);
    return (struct piece){.taken = 3, .count = 1, .bytes = {(unsigned char)value}};
}

static struct piece in_utf8(uint32_t rune, size_t taken)
{
    static const struct {
        uint32_t below;
        unsigned char mark;
    } row[] = {{0x80, 0}, {0x800, 0xc0}, {0x10000, 0xe0}, {0x110000, 0xf0}};
    struct piece p = {.taken = taken, .count = 1};
    while (rune >= row[p.count - 1].below)
        p.count++;
    for (size_t i = p.count - 1; i > 0; i--, rune >>= 6)
        p.bytes[i] = (unsigned char)(0x80 | (rune & 0x3f));
    p.bytes[0] = (unsigned char)(row[p.count - 1].mark | rune);
    return p;
}

/* \u1234, or a pair of them for what lies beyond 16 bits. */
static struct piece read_unicode(const char *text, size_t size)
{
    if (size < 6)
        return (struct piece){.taken = size};
    int32_t high = read_hex(text + 2, 4);
    if (high < 0)
        return read_plain(text, size);
    if (high >> 10 != 0xd800 >> 10)
        return in_utf8((uint32_t)high, 6);
    if (size < 12)
        return (struct piece){.taken = size};
    int32_t low = text[6] == '\\' && text[7] == 'u' ? read_hex(text + 8, 4) : -1;
    if (low < 0 || low >> 10 != 0xdc00 >> 10)
        return in_utf8((uint32_t)high, 6);
    return in_utf8(0x10000 + (uint32_t)((high & 0x3ff) << 10 | (low & 0x3ff)), 12);
}

static struct piece read_backslash(const char *text, size_t size)
{
    if (text[0] != '\\')
        return read_plain(text, size);
    if (size < 2)
        return (struct piece){.taken = size};
    if (text[1] == 'u')
        return read_unicode(text, size);
    static const char name[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *found = memchr(name, text[1], sizeof name - 1);
    char byte = found == NULL ? text[1] : meant[found - name];
    return (struct piece){.taken = 2, .count = 1, .bytes = {(unsigned char)byte}};
}

/* How many bytes of text[at ..] are the secret, written in one way; 0 when they are something else.
 */
static size_t match(const struct secret *one, const char *text, size_t size, size_t at,
                    read_piece *read)
{
    size_t end = at, got = 0;
    while (got < one->size) {
        struct piece p = end < size ? read(text + end, size - end) : (struct piece){.count = 0};
        if (p.count == 0) /* cut off by the end of the text; a text of its own is no cut secret */
            return got >= SECRET_SHORT && at > 0 ? size - at : 0;
        if (p.count > one->size - got || memcmp(one->bytes + got, p.bytes, p.count) != 0)
            return 0;
        got += p.count;
        end += p.taken;
    }
    return end - at;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* May text[at ..] be a value, by what stands before it? */
static bool may_be_value(const char *text, size_t at)
{
    return at == 0 || memchr("=:'\"", text[at - 1], 4) != NULL;
}

/* Does text[at .. end] stand there as a value, by what stands behind it? */
static bool is_value(const char *text, size_t size, size_t at, size_t end)
{
    return end == size || (at > 0 && !is_word(text[end]));
}

static const struct way {
    read_piece *read;
    char sign; /* where it is not, this way reads what stands there */
} way[] = {{read_plain, '\0'}, {read_percent, '%'}, {read_backslash, '\\'}};

/* The most bytes that one secret, written in any way, takes there. */
static size_t match_ways(const struct secret *one, const char *text, size_t size, size_t at)
{
    size_t longest = 0;
    for (size_t i = 0; i < COUNT(way); i++) {
        size_t n = match(one, text, size, at, way[i].read);
        if (n > longest && (one->size >= SECRET_SHORT || is_value(text, size, at, at + n)))
            longest = n;
    }
    return longest;
}

/* Of the secrets in the list that begin with these bytes. */
static size_t longest_of(const struct list *l, const void *head, size_t head_size, const char *text,
                         size_t size, size_t at)
{
    size_t longest = 0;
    for (struct secret *one = first_of(l); one != NULL; one = next_of(l, one)) {
        bool may_be = memcmp(one->bytes, head, head_size) == 0;
        size_t n = may_be ? match_ways(one, text, size, at) : 0;
        if (n > longest)
            longest = n;
    }
    return longest;
}

/* The first bytes that the text stands for; false when it ends before them. */
static bool read_head(read_piece *read, const char *text, size_t size,
                      unsigned char head[static SECRET_SHORT])
{
    for (size_t got = 0; got < SECRET_SHORT;) {
        struct piece p = size > 0 ? read(text, size) : (struct piece){.count = 0};
        if (p.count == 0)
            return false;
        for (size_t i = 0; i < p.count && got < SECRET_SHORT; i++)
            head[got++] = p.bytes[i];
        text += p.taken;
        size -= p.taken;
    }
    return true;
}

size_t secret_at(const struct secrets *s, const char *text, size_t size, size_t at)
{
    if (s == NULL)
        return 0;
    size_t longest = 0;
    if (may_be_value(text, at))
        longest = longest_of(&s->short_ones, "", 0, text, size, at);
    for (size_t i = 0; i < COUNT(way) && size - at >= SECRET_SHORT; i++) {
        unsigned char head[SECRET_SHORT];
        bool is_other = i == 0 || memchr(text + at, way[i].sign, SECRET_SHORT) != NULL;
        if (!is_other || !read_head(way[i].read, text + at, size - at, head))
            continue;
        size_t n = longest_of(&s->long_ones[index_of(head)], head, sizeof head, text, size, at);
        if (n > longest)
            longest = n;
    }
    return longest;
}

size_t secret_mask(const struct secrets *s, char *text, size_t size)
{
    size_t to = 0;
    for (size_t from = 0; from < size;) {
        size_t n = secret_at(s, text, size, from);
        if (n == 0) {
            text[to++] = text[from++];
            continue;
        }
        size_t stars = n < sizeof SECRET_MASK - 1 ? n : sizeof SECRET_MASK - 1;
        memcpy(text + to, SECRET_MASK, stars);
        to += stars;
        from += n;
    }
    if (to < size)
        text[to] = '\0';
    return to;
}
