/* unlikely.h - what seldom happens, happens often here: the places in which the simulation may choose the unlikely way,
 * and the meetings that it is meant to bring about. FoundationDB calls the first BUGGIFY.
 *
 * In each play some of the choices are on, each as often as is rolled for it; so every one gets plays in which it matters,
 * and plays without it. In a play without faults only those are on that hinder nobody. Each row must be fired by the
 * seeds of one run: seeds_spec.c names those that never were.
 */
#ifndef SIM_UNLIKELY_H
#define SIM_UNLIKELY_H

#include <stdbool.h>
#include <stdint.h>

enum unlikely_kind {
    UNLIKELY_CHOICE = 0, /* harms nobody */
    UNLIKELY_FAULT,      /* somebody waits for longer, or gets nothing */
    UNLIKELY_MEETING,    /* is not chosen, but comes of what is */
};

/* clang-format off */
#define UNLIKELY(X) \
    X(TURN_FOR_NOTHING, CHOICE, "a loop turns, and nothing has happened") \
    X(NOTE_IS_LATE, CHOICE, "what another thread has posted misses the turn") \
    X(NOTES_OVERTAKE, CHOICE, "what two threads have posted comes in the other order") \
    X(WORKERS_TURN_BACKWARDS, CHOICE, "the worker with the highest number turns first") \
    X(REPLY_AT_A_TIMER, CHOICE, "a reply arrives in the very turn in which the next timer rings") \
    X(WALL_CLOCK_JUMPS, CHOICE, "somebody sets the clock on the wall, back or forth") \
    X(OTHERS_RUN_BETWEEN, CHOICE, "a worker loses the processor between two steps on the ledger, and another turns") \
    X(ASKERS_LEAVE, CHOICE, "whoever asks for a connection gives up while it is being detached for him") \
    X(CROWD, CHOICE, "thirty things are asked for in one moment") \
    X(THREAD_IS_AWAY, CHOICE, "a worker does not look at its loop for up to 300 ms") \
    X(TIME_LEAPS, CHOICE, "nobody looks for up to 5 s, as after a stop of the whole process") \
    X(DETACH_IS_REFUSED, FAULT, "a driver does not let go of a connection that lives") \
    X(BREAKS_ON_ITS_WAY, FAULT, "a connection breaks between two workers") \
    X(ALLOCATION_FAILS, FAULT, "one of the next allocations fails") \
    X(WORKER_DIES, FAULT, "a worker is closed, whatever is under way") \
    X(WORKER_DIES_IN_SILENCE, FAULT, "and its tasks were not ended before") \
    X(WORKER_NEVER_WAKES, FAULT, "a worker that was away dies before it looks at what has come meanwhile") \
    X(WORKER_IS_BORN, MEETING, "another one comes in the place of one that died") \
    X(BIRTH_FAILS, MEETING, "and finds no memory") \
    X(DIES_AS_HOME, MEETING, "one that keeps a minimum dies") \
    X(DIES_WHILE_CONNECTING, MEETING, "one that is connecting dies") \
    X(DIES_WHILE_PROBING, MEETING, "one whose one connection probes dies") \
    X(DIES_WHILE_ASKING, MEETING, "one whose waiters ask others dies") \
    X(DIES_WITH_PARCEL, MEETING, "one to which a connection or a permit is on its way dies") \
    X(DIES_WHILE_OTHERS_LISTEN, MEETING, "one by whose connection others listen dies") \
    X(PARCEL_FOR_NOBODY, MEETING, "a connection comes, and whoever waited for it does not any more") \
    X(HAND_TO_NOBODY, MEETING, "a connection was detached, and whoever asked does not any more") \
    X(PARCEL, MEETING, "a connection goes from worker to worker") \
    X(PERMIT_ALONE, MEETING, "a permit comes without a connection") \
    X(TAKEN_BACK, MEETING, "a worker does not turn, and what was on its way to it goes to others") \
    X(CLOSED_FOR_OTHERS, MEETING, "a connection is one too many for all workers together") \
    X(RENEWED_WHILE_IDLE, MEETING, "all are to reconnect, and one is idle") \
    X(RENEWED_WHILE_CONNECTING, MEETING, "all are to reconnect, and one is connecting") \
    X(RENEWED_IN_RESET, MEETING, "all are to reconnect, and one is being reset") \
    X(RENEWED_IN_CHECK, MEETING, "all are to reconnect, and one is being checked") \
    X(RENEWED_ON_ITS_WAY, MEETING, "all are to reconnect, and one is between two workers") \
    X(RATE_WAITS, MEETING, "a call waits for its turn by the rate") \
    X(RATE_REFUSES, MEETING, "a call is one too many in a span") \
    X(EARLY_REFUSES, MEETING, "a call would hardly make its deadline") \
    X(CIRCUIT_OPENS, MEETING, "a circuit opens") \
    X(CIRCUIT_PROBES, MEETING, "and tries it again") \
    X(CIRCUIT_CLOSES, MEETING, "and closes") \
    X(CIRCUIT_REFUSES, MEETING, "a circuit refuses where it was opened") \
    X(CIRCUIT_REFUSES_ELSEWHERE, MEETING, "a circuit refuses in another worker") \
    X(ENDPOINT_PROBED, MEETING, "a call is the probe of one of several endpoints") \
    X(ENDPOINTS_REFUSE, MEETING, "the circuits of all endpoints are open") \
    X(ENDPOINT_IS_LEFT_OUT, MEETING, "somebody waits beside an idle connection to one that is open") \
    X(LIMIT_WAITS, MEETING, "a call waits for others to end") \
    X(LIMIT_IS_FULL, MEETING, "so many wait already") \
    X(LIMIT_IS_LATE, MEETING, "one waits for too long") \
    X(LIMIT_SHEDS, MEETING, "one is refused because the queue is too slow") \
    X(SERVED_ELSEWHERE, MEETING, "the turn of one has come, and it has not heard yet") \
    X(LEFT_IN_RATE, MEETING, "one leaves while it waits for its turn by the rate") \
    X(LEFT_IN_LIMIT, MEETING, "one leaves while it waits for others to end") \
    X(LEFT_UNHEARD, MEETING, "one leaves whose turn has come, and which has not heard yet") \
    X(LEFT_COPIED, MEETING, "one leaves of which some copies go") \
    X(RETRY_IS_REFUSED, MEETING, "what was tried is refused when it is to be tried again") \
    X(RULED_WHILE_HELD, MEETING, "other rules are said, and a call is held by one of the old ones") \
    X(RULED_IN_PAUSE, MEETING, "other rules are said, and a call pauses") \
    X(RULED_WHILE_COPIED, MEETING, "other rules are said, and some copies of a call go") \
    X(COPY_WINS, MEETING, "the answer of a copy counts") \
    X(COPY_LOSES, MEETING, "a copy is given up") \
    X(FIRST_LOSES, MEETING, "the first one is given up, for the answer of a copy") \
    X(COPIES_FAIL, MEETING, "all copies fail") \
    X(ASKED, MEETING, "the host is asked what a failure counts as")
/* clang-format on */

enum unlikely {
#define AS_NAME(name, kind, text) name,
    UNLIKELY(AS_NAME)
#undef AS_NAME
        UNLIKELY_ROWS
};

/* From now on, as the seed will have it. Without faults: only choices. */
void unlikely_begin(uint64_t seed, bool has_faults);
void unlikely_stop(void); /* nothing unlikely happens any more, as before the first begin */
/* Whether the choice is made here and now; counted if so. */
bool unlikely_happens(enum unlikely u);
void unlikely_met(enum unlikely u);
int64_t unlikely_count(enum unlikely u); /* in this process so far */
const char *unlikely_name(enum unlikely u);
const char *unlikely_text(enum unlikely u);

#endif
