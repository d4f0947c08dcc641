/* hub_spec.c - channels of the process: order, exactly once, bounds, and whoever does not come for what he was given.
 * hub_threads_spec.c does the same on real threads. */
#include "hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { WORKERS = 3 };

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static int until_failure; /* allocations; 0: none fails */

static bool may_allocate(void)
{
    return until_failure == 0 || --until_failure > 0;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

static struct hub *hub;
static int woken[WORKERS];

static void wake(void *data)
{
    (*(int *)data)++;
}

static int setup(void **state)
{
    (void)state;
    hub = hub_new();
    for (int i = 0; i < WORKERS; i++) {
        woken[i] = 0;
        hub_join(hub, i, wake, &woken[i]);
    }
    return hub == NULL;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < WORKERS; i++)
        hub_leave(hub, i);
    hub_free(&hub);
    return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

static struct hub_channel *open_channel(const char *name, int64_t most)
{
    int64_t other;
    struct hub_channel *ch = hub_open(hub, name, most, &other);
    assert_non_null(ch);
    assert_int_equal(other, most);
    return ch;
}

static struct hub_case sending(struct hub_channel *ch, const char *text)
{
    return (struct hub_case){.channel = ch, .message = hub_message_new(text, strlen(text))};
}

static enum hub_end try_send(struct hub_channel *ch, const char *text)
{
    struct hub_case c = sending(ch, text);
    enum hub_end end = hub_try(hub, &c, 1).end;
    assert_int_equal(end == HUB_DONE, c.message == NULL);
    hub_message_free(&c.message);
    return end;
}

static void is_text(struct hub_outcome got, const char *text)
{
    assert_int_equal(got.end, HUB_DONE);
    assert_int_equal(got.message->size, strlen(text));
    assert_memory_equal(got.message->bytes, text, strlen(text));
    hub_message_free(&got.message);
}

static struct hub_outcome try_receive(struct hub_channel *ch)
{
    return hub_try(hub, &(struct hub_case){.channel = ch}, 1);
}

static struct hub_wait *waits(int worker, int ticket, struct hub_case c)
{
    struct hub_outcome out;
    struct hub_wait *w = hub_wait(hub, worker, ticket, &c, 1, &out);
    assert_non_null(w);
    assert_null(c.message);
    assert_int_equal(out.end, HUB_WAITS);
    return w;
}

static struct hub_wait *waits_to_receive(int worker, int ticket, struct hub_channel *ch)
{
    return waits(worker, ticket, (struct hub_case){.channel = ch});
}

static struct hub_outcome ended(struct hub_wait *w)
{
    return hub_wait_end(hub, &w, false);
}

static void is_told(int worker, int ticket)
{
    assert_int_equal(hub_told(hub, worker), ticket);
}

/* --- specs ------------------------------------------------------------------------------------ */

static void keeps_the_order_and_the_bound(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 10);
    assert_int_equal(try_send(ch, "12345"), HUB_DONE);
    assert_int_equal(try_send(ch, "678"), HUB_DONE);
    assert_int_equal(try_send(ch, "too much"), HUB_WAITS);
    assert_int_equal(try_send(ch, "ab"), HUB_DONE);
    struct hub_state s = hub_state(hub, ch);
    assert_int_equal(s.bytes, 10);
    assert_int_equal(s.most, 10);
    assert_int_equal(s.messages, 3);
    is_text(try_receive(ch), "12345");
    is_text(try_receive(ch), "678");
    is_text(try_receive(ch), "ab");
    assert_int_equal(try_receive(ch).end, HUB_WAITS);
    hub_forget(hub, &ch);
}

static void is_the_same_by_its_name(void **state)
{
    (void)state;
    struct hub_channel *one = open_channel("jobs", 10), *two = open_channel("jobs", 10);
    assert_ptr_equal(one, two);
    int64_t most;
    assert_null(hub_open(hub, "jobs", 20, &most));
    assert_int_equal(most, 10);
    struct hub_channel *other = open_channel("other", 20);
    assert_ptr_not_equal(one, other);
    hub_forget(hub, &one);
    assert_null(hub_open(hub, "jobs", 20, &most)); /* it is known still */
    hub_forget(hub, &two);
    one = open_channel("jobs", 20);
    assert_int_equal(try_send(one, "stays"), HUB_DONE);
    hub_forget(hub, &one);
    one = open_channel("jobs", 20); /* what lies in it keeps it */
    is_text(try_receive(one), "stays");
    hub_forget(hub, &one);
    hub_forget(hub, &other);
}

static void has_a_bound_on_names(void **state)
{
    (void)state;
    static struct hub_channel *known[HUB_CHANNELS_MOST];
    for (int i = 0; i < HUB_CHANNELS_MOST; i++) {
        char name[32];
        snprintf(name, sizeof name, "channel %d", i);
        known[i] = open_channel(name, 1);
    }
    int64_t most;
    assert_null(hub_open(hub, "one more", 1, &most));
    assert_int_equal(most, 0);
    hub_forget(hub, &known[0]);
    known[0] = open_channel("one more", 1);
    for (int i = 0; i < HUB_CHANNELS_MOST; i++)
        hub_forget(hub, &known[i]);
}

static void hands_over_to_who_waited_longest(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 0);
    assert_int_equal(try_send(ch, "x"), HUB_WAITS); /* nobody is there */
    struct hub_wait *first = waits_to_receive(0, 11, ch), *second = waits_to_receive(1, 22, ch);
    struct hub_wait *third = waits_to_receive(0, 33, ch);
    assert_int_equal(try_send(ch, "one"), HUB_DONE);
    assert_int_equal(try_send(ch, "two"), HUB_DONE);
    assert_int_equal(woken[0], 1);
    assert_int_equal(woken[1], 1);
    is_told(0, 11);
    is_told(0, 0);
    is_told(1, 22);
    assert_int_equal(try_send(ch, "three"), HUB_DONE);
    assert_int_equal(woken[0], 2);
    is_text(ended(first), "one");
    is_text(ended(second), "two");
    is_text(ended(third), "three"); /* it need not have been told before */
    is_told(0, 0);
    hub_forget(hub, &ch);
}

static void lets_senders_wait_in_line(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 4);
    assert_int_equal(try_send(ch, "1234"), HUB_DONE);
    struct hub_wait *big = waits(0, 1, sending(ch, "5678")), *small = waits(1, 2, sending(ch, "9"));
    is_text(try_receive(ch), "1234");
    is_told(0, 1); /* 5678 has the room */
    is_told(1, 0);
    assert_int_equal(try_send(ch, "new"), HUB_WAITS); /* nobody overtakes */
    is_text(try_receive(ch), "5678");
    is_told(1, 2);
    assert_int_equal(ended(big).end, HUB_DONE);
    assert_int_equal(ended(small).end, HUB_DONE);
    is_text(try_receive(ch), "9");
    hub_forget(hub, &ch);
}

static void gives_the_room_to_who_stood_behind(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 4), *other = open_channel("other", 0);
    assert_int_equal(try_send(ch, "123"), HUB_DONE);
    struct hub_wait *big = waits(0, 1, sending(ch, "5678")), *small = waits(1, 2, sending(ch, "9"));
    assert_int_equal(ended(big).end, HUB_WAITS); /* its deadline came: it was certainly not sent */
    is_told(1, 2);
    assert_int_equal(ended(small).end, HUB_DONE);
    /* And when who stood before was served elsewhere. */
    is_text(try_receive(ch), "123");
    is_text(try_receive(ch), "9");
    assert_int_equal(try_send(ch, "123"), HUB_DONE);
    struct hub_case both[2] = {sending(ch, "5678"), {.channel = other}};
    struct hub_outcome out;
    struct hub_wait *either = hub_wait(hub, 0, 3, both, 2, &out);
    small = waits(1, 4, sending(ch, "9"));
    assert_int_equal(try_send(other, "elsewhere"), HUB_DONE);
    is_told(1, 4);
    assert_int_equal(ended(small).end, HUB_DONE);
    is_text(ended(either), "elsewhere");
    hub_forget(hub, &other);
    hub_forget(hub, &ch);
}

static void takes_one_of_several(void **state)
{
    (void)state;
    struct hub_channel *a = open_channel("a", 0), *b = open_channel("b", 10),
                       *c = open_channel("c", 0);
    struct hub_case cases[3] = {{.channel = a}, {.channel = b}, sending(c, "to c")};
    struct hub_outcome out;
    struct hub_wait *w = hub_wait(hub, 0, 5, cases, 3, &out);
    assert_non_null(w);
    assert_int_equal(try_send(b, "to b"), HUB_DONE);
    assert_int_equal(try_send(a, "to a"), HUB_WAITS); /* nobody waits there any more */
    assert_int_equal(try_receive(c).end, HUB_WAITS);
    out = ended(w);
    assert_int_equal(out.at, 1);
    is_text(out, "to b");
    /* What is ready at once needs no wait; the first counts. */
    assert_int_equal(try_send(b, "ready"), HUB_DONE);
    struct hub_case again[2] = {{.channel = a}, {.channel = b}};
    assert_null(hub_wait(hub, 0, 6, again, 2, &out));
    assert_int_equal(out.at, 1);
    is_text(out, "ready");
    hub_forget(hub, &a);
    hub_forget(hub, &b);
    hub_forget(hub, &c);
}

static void says_that_it_was_closed(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 3), *empty = open_channel("empty", 0);
    assert_int_equal(try_send(ch, "1"), HUB_DONE);
    assert_int_equal(try_send(ch, "2"), HUB_DONE);
    struct hub_wait *sender = waits(0, 1, sending(ch, "345")),
                    *receiver = waits_to_receive(1, 2, empty);
    hub_close(hub, ch);
    hub_close(hub, empty);
    hub_close(hub, ch);
    is_told(0, 1);
    is_told(1, 2);
    assert_int_equal(ended(sender).end, HUB_CLOSED);
    assert_int_equal(ended(receiver).end, HUB_CLOSED);
    assert_int_equal(try_send(ch, "6"), HUB_CLOSED);
    assert_true(hub_state(hub, ch).is_closed);
    is_text(try_receive(ch), "1");
    is_text(try_receive(ch), "2");
    assert_int_equal(try_receive(ch).end, HUB_CLOSED);
    struct hub_outcome out;
    assert_null(hub_wait(hub, 0, 3, &(struct hub_case){.channel = ch}, 1, &out));
    assert_int_equal(out.end, HUB_CLOSED);
    hub_forget(hub, &ch);
    hub_forget(hub, &empty);
    ch = open_channel("jobs", 3); /* nobody knew it any more: a new one */
    assert_int_equal(try_send(ch, "7"), HUB_DONE);
    is_text(try_receive(ch), "7");
    hub_forget(hub, &ch);
}

static void brings_back_what_nobody_came_for(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 100);
    struct hub_wait *one = waits_to_receive(0, 1, ch), *two = waits_to_receive(0, 2, ch);
    assert_int_equal(try_send(ch, "first"), HUB_DONE);
    assert_int_equal(try_send(ch, "second"), HUB_DONE);
    assert_int_equal(try_send(ch, "third"), HUB_DONE);
    assert_int_equal(hub_wait_end(hub, &two, true).end, HUB_DONE);
    assert_int_equal(hub_wait_end(hub, &one, true).end, HUB_DONE);
    is_text(try_receive(ch), "first");
    is_text(try_receive(ch), "second");
    is_text(try_receive(ch), "third");
    /* Or to who waits by now. */
    one = waits_to_receive(0, 1, ch);
    assert_int_equal(try_send(ch, "fourth"), HUB_DONE);
    two = waits_to_receive(1, 2, ch);
    hub_wait_end(hub, &one, true);
    is_told(1, 2);
    is_text(ended(two), "fourth");
    hub_forget(hub, &ch);
}

/* Before those that came later, also by who had to wait for room. */
static void brings_back_before_what_waited_for_room(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 1);
    assert_int_equal(try_send(ch, "0"), HUB_DONE);
    is_text(try_receive(ch), "0");
    struct hub_wait *gone = waits_to_receive(0, 1, ch);
    assert_int_equal(try_send(ch, "1"), HUB_DONE);
    assert_int_equal(try_send(ch, "2"), HUB_DONE);
    struct hub_wait *sender = waits(1, 2, sending(ch, "3"));
    is_text(try_receive(ch), "2");
    assert_int_equal(ended(sender).end, HUB_DONE);
    hub_wait_end(hub, &gone, true);
    is_text(try_receive(ch), "1");
    is_text(try_receive(ch), "3");
    hub_forget(hub, &ch);
}

static void outlives_a_worker(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 5), *other = open_channel("other", 0);
    waits_to_receive(2, 1, ch);
    waits_to_receive(2, 2, ch);
    waits_to_receive(2, 3, ch);
    struct hub_wait *next = waits_to_receive(0, 4, ch);
    assert_int_equal(try_send(ch, "1"), HUB_DONE);
    assert_int_equal(try_send(ch, "2"), HUB_DONE);
    waits(2, 5, sending(other, "never"));
    hub_leave(hub, 2); /* with two that it was given, one line that it stood in, and one to send */
    is_told(0, 4);
    is_text(ended(next), "1");
    is_text(try_receive(ch), "2");
    assert_int_equal(try_receive(ch).end, HUB_WAITS);
    assert_int_equal(try_receive(other).end, HUB_WAITS);
    assert_int_equal(woken[2], 1);
    hub_join(hub, 2, wake, &woken[2]);
    is_told(2, 0); /* nothing of its former life */
    next = waits_to_receive(2, 1, ch);
    assert_int_equal(try_send(ch, "3"), HUB_DONE);
    is_told(2, 1);
    is_text(ended(next), "3");
    hub_forget(hub, &other);
    hub_forget(hub, &ch);
}

static void has_a_bound_on_who_waits(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", 0);
    static struct hub_wait *w[HUB_WAITING_MOST];
    struct hub_outcome out;
    for (int is_sending = 0; is_sending < 2; is_sending++) {
        struct hub_case none = {.channel = ch};
        for (int i = 0; i < HUB_WAITING_MOST; i++)
            w[i] = waits(i % WORKERS, i + 1, is_sending ? sending(ch, "s") : none);
        struct hub_case c = is_sending ? sending(ch, "one more") : none;
        assert_null(hub_wait(hub, 0, 1, &c, 1, &out));
        assert_int_equal(out.end, HUB_FULL);
        hub_message_free(&c.message);
        for (int i = 0; i < HUB_WAITING_MOST; i++)
            assert_int_equal(ended(w[i]).end, HUB_WAITS);
    }
    static char large[HUB_WAITING_BYTES_MOST - 1];
    w[0] = waits(0, 1, (struct hub_case){ch, hub_message_new(large, sizeof large)});
    w[1] = waits(0, 2, sending(ch, "x"));
    struct hub_case c = sending(ch, "y");
    assert_null(hub_wait(hub, 0, 3, &c, 1, &out));
    assert_int_equal(out.end, HUB_FULL);
    ended(w[0]);
    w[0] = waits(0, 3, c); /* of who has gone nothing is left */
    is_text(try_receive(ch), "x");
    is_text(try_receive(ch), "y");
    assert_true(ended(w[0]).end == HUB_DONE && ended(w[1]).end == HUB_DONE);
    hub_forget(hub, &ch);
}

/* Opens a channel, sends, and waits to receive; false where there was no memory for something. */
static bool story(void)
{
    int64_t other;
    struct hub_channel *ch = hub_open(hub, "story", 100, &other);
    if (ch == NULL) {
        assert_int_equal(other, -1);
        return false;
    }
    struct hub_case c = sending(ch, "text");
    bool is_sent = c.message != NULL && hub_try(hub, &c, 1).end == HUB_DONE;
    struct hub_outcome got = hub_try(hub, &(struct hub_case){.channel = ch}, 1), out;
    assert_int_equal(got.end, is_sent ? HUB_DONE : HUB_WAITS);
    hub_message_free(&got.message);
    struct hub_wait *w = hub_wait(hub, 0, 1, &(struct hub_case){.channel = ch}, 1, &out);
    assert_int_equal(out.end, w == NULL ? HUB_NO_MEMORY : HUB_WAITS);
    bool has_waited = w != NULL;
    if (has_waited)
        assert_int_equal(ended(w).end, HUB_WAITS);
    hub_forget(hub, &ch);
    return is_sent && has_waited;
}

static void says_that_there_is_no_memory(void **state)
{
    (void)state;
    int failed = 0;
    for (int n = 1; until_failure = n, !story(); n++) {
        assert_int_equal(until_failure, 0); /* that one was the reason */
        failed++;
        assert_true(story());
    }
    until_failure = 0;
    assert_true(failed >= 3);
    until_failure = 1;
    assert_null(hub_new());
}

static void ends_with_what_lies_in_it(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("left behind", 100);
    assert_int_equal(try_send(ch, "freed with the hub"), HUB_DONE);
    hub_forget(hub, &ch);
}

static void holds_so_many_messages_however_small(void **state)
{
    (void)state;
    struct hub_channel *ch = open_channel("jobs", INT64_C(1) << 40);
    for (int i = 0; i < HUB_MESSAGES_MOST; i++)
        assert_int_equal(try_send(ch, "x"), HUB_DONE);
    assert_int_equal(try_send(ch, "y"), HUB_WAITS);
    struct hub_wait *w = waits(1, 7, sending(ch, "y"));
    is_text(try_receive(ch), "x");
    assert_int_equal(hub_told(hub, 1), 7);
    assert_int_equal(ended(w).end, HUB_DONE);
    assert_int_equal(hub_state(hub, ch).messages, HUB_MESSAGES_MOST);
    for (int i = 1; i < HUB_MESSAGES_MOST; i++)
        is_text(try_receive(ch), "x");
    is_text(try_receive(ch), "y");
    hub_forget(hub, &ch);
}

int main(void)
{
#define SPEC(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest specs[] = {
        SPEC(keeps_the_order_and_the_bound),
        SPEC(is_the_same_by_its_name),
        SPEC(has_a_bound_on_names),
        SPEC(hands_over_to_who_waited_longest),
        SPEC(lets_senders_wait_in_line),
        SPEC(gives_the_room_to_who_stood_behind),
        SPEC(takes_one_of_several),
        SPEC(says_that_it_was_closed),
        SPEC(brings_back_what_nobody_came_for),
        SPEC(brings_back_before_what_waited_for_room),
        SPEC(outlives_a_worker),
        SPEC(has_a_bound_on_who_waits),
        SPEC(says_that_there_is_no_memory),
        SPEC(ends_with_what_lies_in_it),
        SPEC(holds_so_many_messages_however_small),
    };
    return cmocka_run_group_tests(specs, NULL, NULL);
}
