/* mailbox_spec.c - what one worker has to say to another: in order, bounded, heard by a loop that waits, and from many
 * threads at once.
 *
 * MESSAGES=n is how many each thread sends (20000).
 */
#include "mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nebula.h"

static void post(struct mailbox *m, int32_t from, const char *text)
{
    assert_int_equal(mailbox_post(m, from, text, strlen(text), false), ERROR_OK);
}

static void takes(struct mailbox *m, int32_t from, const char *text)
{
    struct passage passage;
    struct message *message = mailbox_take(m, &passage);
    assert_non_null(message);
    assert_int_equal(message->from, from);
    assert_int_equal(message->size, strlen(text));
    assert_memory_equal(message->bytes, text, message->size);
    free(message);
}

static void takes_passage(struct mailbox *m, int32_t worker, bool is_back)
{
    struct passage passage;
    assert_null(mailbox_take(m, &passage));
    assert_int_equal(passage.worker, worker);
    assert_int_equal(passage.is_back, is_back);
}

/* -1: there is nothing to read. */
static void takes_left(struct mailbox *m, int32_t worker)
{
    takes_passage(m, worker, false);
}

static void is_read_in_the_order_of_posting(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    assert_false(mailbox_has_news(&m));
    takes_left(&m, -1);
    post(&m, 3, "first");
    post(&m, 1, "");
    post(&m, 3, "third");
    assert_true(mailbox_has_news(&m));
    takes(&m, 3, "first");
    takes(&m, 1, "");
    takes(&m, 3, "third");
    assert_true(mailbox_has_news(&m)); /* nobody has seen yet that it is empty */
    takes_left(&m, -1);
    assert_false(mailbox_has_news(&m));
    post(&m, 0, "again");
    takes(&m, 0, "again");
    mailbox_fini(&m);
}

static void is_bounded_in_messages(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    for (int i = 0; i < MAILBOX_MESSAGES_MOST; i++)
        post(&m, 1, "x");
    assert_int_equal(mailbox_post(&m, 1, "x", 1, false), ERROR_FULL);
    for (int i = 0; i < MAILBOX_KEPT; i++)
        assert_int_equal(mailbox_post(&m, 1, "y", 1, true), ERROR_OK);
    assert_int_equal(mailbox_post(&m, 1, "y", 1, true), ERROR_FULL);
    takes(&m, 1, "x");
    assert_int_equal(mailbox_post(&m, 1, "x", 1, false),
                     ERROR_FULL); /* what is urgent lies in it, too */
    mailbox_fini(&m);
}

static void is_bounded_in_bytes(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    char *large = calloc(1, MAILBOX_BYTES_MOST + 1);
    assert_non_null(large);
    assert_int_equal(mailbox_post(&m, 1, large, MAILBOX_BYTES_MOST + 1, false), ERROR_LIMIT);
    assert_int_equal(mailbox_post(&m, 1, large, MAILBOX_BYTES_MOST + 1, true), ERROR_LIMIT);
    assert_int_equal(mailbox_post(&m, 1, large, MAILBOX_BYTES_MOST, false), ERROR_OK);
    assert_int_equal(mailbox_post(&m, 1, "x", 1, false), ERROR_FULL);
    assert_int_equal(mailbox_post(&m, 1, "x", 1, true), ERROR_OK);
    struct passage passage;
    free(mailbox_take(&m, &passage));
    post(&m, 1, "x");
    free(large);
    mailbox_fini(&m);
}

static void refuses_when_nobody_reads_any_more(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    post(&m, 1, "lost");
    mailbox_close(&m);
    assert_int_equal(mailbox_post(&m, 1, "x", 1, false), ERROR_CLOSED);
    assert_int_equal(mailbox_post(&m, 1, "x", 1, true), ERROR_CLOSED);
    takes_left(&m, -1);
    mailbox_close(&m);
    mailbox_fini(&m);
}

static void begins_anew_when_it_is_reopened(void **state)
{
    (void)state;
    struct mailbox m;
    int code;
    mailbox_init(&m);
    post(&m, 1, "lost");
    mailbox_post_left(&m, 1);
    mailbox_post_back(&m, 2);
    mailbox_end(&m, 7);
    mailbox_close(&m);
    mailbox_post_left(&m, 3); /* nobody reads, and nobody is woken */
    mailbox_reopen(&m);
    assert_false(mailbox_has_news(&m));
    assert_false(mailbox_is_over(&m, &code));
    takes_left(&m, -1);
    post(&m, 1, "kept");
    takes(&m, 1, "kept");
    mailbox_fini(&m);
}

static void wakes_who_begins_to_read_when_there_is_something(void **state)
{
    (void)state;
    struct nebula_options options = {.log_level = 4};
    struct nebula *reader = nebula_open(&options, NULL, 0);
    struct mailbox m;
    mailbox_init(&m);
    post(&m, 1, "early");
    mailbox_read_by(&m, reader);
    nebula_turn(reader, INT64_MAX);
    takes(&m, 1, "early");
    mailbox_close(&m);
    assert_null(m.reader); /* which may be gone from here on */
    mailbox_fini(&m);
    nebula_close(&reader);
}

static void tells_who_has_left_behind_what_they_had_sent(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    post(&m, 5, "last words");
    mailbox_post_left(&m, 5);
    post(&m, 2, "later"); /* which does not put it off */
    mailbox_post_left(&m, 63);
    mailbox_post_left(&m, 0);
    takes(&m, 5, "last words");
    takes_left(&m, 5);
    takes(&m, 2, "later");
    takes_left(&m, 0);
    post(&m, 2, "much later");
    takes_left(&m, 63);
    takes(&m, 2, "much later");
    takes_left(&m, -1);
    mailbox_fini(&m);
}

/* Else whoever reads late would take the one who is there for the one who was. */
static void tells_that_one_has_left_before_he_is_there_again(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    mailbox_post_left(&m, 5);
    post(&m, 5, "the new one");
    mailbox_post_left(&m, 2);
    takes_left(&m, 5);
    takes(&m, 5, "the new one");
    takes_left(&m, 2);
    mailbox_post_left(&m, 5);
    post(&m, 5, "the third");
    mailbox_post_left(&m, 5); /* nobody has read of the second; of both it is true */
    takes(&m, 5, "the third");
    takes_left(&m, 5);
    post(&m, 1, "lost");
    mailbox_close(&m);
    mailbox_reopen(&m);
    mailbox_post_left(&m, 1);
    takes_left(&m, 1);
    takes_left(&m, -1);
    mailbox_fini(&m);
}

static void tells_that_one_is_back_however_full_it_is(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    for (int i = 0; i < MAILBOX_MESSAGES_MOST + MAILBOX_KEPT; i++)
        assert_int_equal(mailbox_post(&m, 1, "x", 1, true), ERROR_OK);
    mailbox_post_back(&m, 63);
    takes_passage(&m, 63, true);
    takes(&m, 1, "x");
    mailbox_fini(&m);
}

static void tells_that_one_is_back_behind_his_leaving(void **state)
{
    (void)state;
    struct mailbox m;
    mailbox_init(&m);
    post(&m, 5, "last words");
    mailbox_post_left(&m, 5);
    mailbox_post_back(&m, 5);
    mailbox_post_back(&m, 2);
    takes_passage(&m, 2, true);
    takes(&m, 5, "last words");
    takes_left(&m, 5);
    takes_passage(&m, 5, true);
    mailbox_post_back(&m, 5);
    mailbox_post_left(&m, 5); /* again: nobody needs to know that he was there */
    takes_left(&m, 5);
    takes_left(&m, -1);
    mailbox_fini(&m);
}

static void tells_that_it_is_over_until_the_reader_ends(void **state)
{
    (void)state;
    struct mailbox m;
    int code = 0;
    mailbox_init(&m);
    assert_false(mailbox_is_over(&m, &code));
    mailbox_end(&m, 7);
    mailbox_end(&m, 8);
    takes_left(&m, -1);
    assert_true(mailbox_has_news(&m));
    assert_true(mailbox_is_over(&m, &code));
    assert_int_equal(code, 7);
    mailbox_fini(&m);
}

/* --- real threads ----------------------------------------------------------------------------- */

#define SENDERS 4

static struct {
    struct mailbox mailbox;
    int messages;
    atomic_int refused;
} street;

static int messages(void)
{
    const char *said = getenv("MESSAGES");
    return said != NULL ? atoi(said) : 20000;
}

/* Its number, in the order of sending; and then it leaves. */
static void *sends(void *data)
{
    int32_t self = (int32_t)(intptr_t)data;
    for (int i = 0; i < street.messages;) {
        if (mailbox_post(&street.mailbox, self, &i, sizeof i, false) == ERROR_OK)
            i++;
        else
            atomic_fetch_add(&street.refused, 1);
    }
    mailbox_post_left(&street.mailbox, self);
    return NULL;
}

/* All that has come. How many have left. */
static int reads(int *next)
{
    int count = 0;
    struct passage passage;
    struct message *message;
    while ((message = mailbox_take(&street.mailbox, &passage)) != NULL || passage.worker >= 0) {
        if (message == NULL) {
            assert_int_equal(next[passage.worker],
                             street.messages); /* nothing of it comes behind this */
            count++;
            continue;
        }
        int number;
        memcpy(&number, message->bytes, sizeof number);
        assert_int_equal(number, next[message->from]);
        next[message->from]++;
        free(message);
    }
    return count;
}

/* A sleeping loop hears of each: were one wake-up lost, this would wait for ever. */
static void wakes_a_loop_that_waits(void **state)
{
    (void)state;
    struct nebula_options options = {.log_level = 4};
    struct nebula *reader = nebula_open(&options, NULL, 0);
    assert_non_null(reader);
    street.messages = messages();
    mailbox_init(&street.mailbox);
    mailbox_read_by(&street.mailbox, reader);
    pthread_t sender[SENDERS];
    for (intptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&sender[i], NULL, sends, (void *)i), 0);
    int next[SENDERS] = {0}, left = 0;
    while (left < SENDERS) {
        nebula_turn(reader, mailbox_has_news(&street.mailbox) ? 0 : INT64_MAX);
        if (mailbox_has_news(&street.mailbox))
            left += reads(next);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(sender[i], NULL);
        assert_int_equal(next[i], street.messages);
    }
    mailbox_close(&street.mailbox);
    mailbox_fini(&street.mailbox);
    nebula_close(&reader);
}

/* Who leaves closes his engine; whoever posts meanwhile must not wake what is gone. */
static void *posts_until_closed(void *data)
{
    struct mailbox *m = data;
    while (mailbox_post(m, 1, "x", 1, false) != ERROR_CLOSED)
        mailbox_post_left(m, 2);
    return NULL;
}

static void may_be_closed_while_others_post(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct nebula_options options = {.log_level = 4};
        struct nebula *reader = nebula_open(&options, NULL, 0);
        struct mailbox m;
        mailbox_init(&m);
        mailbox_read_by(&m, reader);
        pthread_t poster[2];
        for (int p = 0; p < 2; p++)
            assert_int_equal(pthread_create(&poster[p], NULL, posts_until_closed, &m), 0);
        struct passage passage;
        for (int turns = 0; turns < 5; turns++) {
            nebula_turn(reader, mailbox_has_news(&m) ? 0 : INT64_MAX);
            free(mailbox_take(&m, &passage));
        }
        mailbox_close(&m);
        nebula_close(&reader);
        for (int p = 0; p < 2; p++)
            pthread_join(poster[p], NULL);
        mailbox_fini(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_in_the_order_of_posting),
        cmocka_unit_test(is_bounded_in_messages),
        cmocka_unit_test(is_bounded_in_bytes),
        cmocka_unit_test(refuses_when_nobody_reads_any_more),
        cmocka_unit_test(begins_anew_when_it_is_reopened),
        cmocka_unit_test(wakes_who_begins_to_read_when_there_is_something),
        cmocka_unit_test(tells_who_has_left_behind_what_they_had_sent),
        cmocka_unit_test(tells_that_one_has_left_before_he_is_there_again),
        cmocka_unit_test(tells_that_one_is_back_however_full_it_is),
        cmocka_unit_test(tells_that_one_is_back_behind_his_leaving),
        cmocka_unit_test(tells_that_it_is_over_until_the_reader_ends),
        cmocka_unit_test(wakes_a_loop_that_waits),
        cmocka_unit_test(may_be_closed_while_others_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
