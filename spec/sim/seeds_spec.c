/* seeds_spec.c - the whole engine in virtual time, alone or as up to eight workers; one play for each seed.
 * limit: 900 s
 *
 *   seeds_spec                        1,000 seeds (under tsan 200: a play is one thread), in TAP; SEEDS=n
 *                                     for that many, SEED=n for one. Of 1,000 and more each of the
 *                                     unlikely things (unlikely.h) must have happened.
 *   seeds_spec --seeds A-B            these; --events N steps each (2,000)
 *   seeds_spec --seed S --trace FILE  one, with all that happened in it; --ledger FILE: with what was
 *                                     done to the ledger
 *
 * NEBULA_PROVE names a folder: 100,000 seeds, in slices, beginning after those that it remembers.
 *
 * The same seed is the same play, byte for byte.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "play.h"
#include "unlikely.h"

struct order {
    uint64_t first, last;
    int64_t events;
    const char *trace, *ledger;
};

#ifdef __SANITIZE_THREAD__
#define USUAL_SEEDS 200
#else
#define USUAL_SEEDS 1000
#endif
#define WHOLE_SEEDS 1000
#define PROVED_SEEDS 100000
#define SLICE 1000
#define PATIENCE_S 30 /* a play takes milliseconds */

/* A failed CHECK() ends the process, and some bugs end nothing: tell the seed. */
static volatile sig_atomic_t seed_under_way;

static void say_how_to_replay(uint64_t seed, int64_t events)
{
    printf("# replay: build/spec/sim/seeds_spec --seed %llu --events %lld --trace /dev/stdout\n",
           (unsigned long long)seed, (long long)events);
}

static void died(int signum)
{
    char text[160];
    int size = snprintf(text, sizeof text,
                        "not ok 1 - seed %d failed: %s\n# replay: build/spec/sim/seeds_spec "
                        "--seed %d --trace /dev/stdout\n",
                        (int)seed_under_way, signum == SIGALRM ? "it does not end" : "it crashed",
                        (int)seed_under_way);
    if (write(STDOUT_FILENO, text, (size_t)size) != size)
        _exit(3);
    _exit(1);
}

/* False for a broken law. */
static bool play_one(const struct order *o, uint64_t seed, struct outcome_of_play *out)
{
    seed_under_way = (int)seed;
    FILE *trace = o->trace == NULL ? NULL : fopen(o->trace, "w");
    FILE *ledger = o->ledger == NULL ? NULL : fopen(o->ledger, "w");
    alarm(PATIENCE_S);
    play_seed(seed, o->events, trace, ledger, out);
    alarm(0);
    if (trace != NULL)
        fclose(trace);
    if (ledger != NULL)
        fclose(ledger);
    if (out->why[0] == '\0')
        return true;
    printf("not ok 1 - seed %llu failed: %s\n", (unsigned long long)seed, out->why);
    say_how_to_replay(seed, o->events);
    return false;
}

/* What servers did, in all plays together. */
struct tally {
    int64_t answered, happened, faults;
    int64_t seen[FAULTS];
};

static bool play_range(const struct order *o, struct tally *t)
{
    *t = (struct tally){.faults = 0};
    for (uint64_t seed = o->first; seed <= o->last; seed++) {
        struct outcome_of_play out;
        if (!play_one(o, seed, &out))
            return false;
        t->answered += out.answered;
        t->happened += out.happened;
        for (int f = FAULT_NONE + 1; f < FAULTS; f++) {
            t->faults += out.seen[f];
            t->seen[f] += out.seen[f];
        }
    }
    printf("ok 1 - seeds %llu to %llu: %lld tickets answered, %lld engine events, %lld faults\n",
           (unsigned long long)o->first, (unsigned long long)o->last, (long long)t->answered,
           (long long)t->happened, (long long)t->faults);
    return true;
}

/* The same seed twice, in text. */
static bool compare_traces(uint64_t seed, int64_t events)
{
    char *text[2] = {NULL, NULL};
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        struct outcome_of_play out;
        FILE *f = open_memstream(&text[i], &size[i]);
        CHECK(f != NULL);
        play_seed(seed, events, f, NULL, &out);
        fclose(f);
    }
    bool same = size[0] > 0 && size[0] == size[1] && memcmp(text[0], text[1], size[0]) == 0;
    free(text[0]);
    free(text[1]);
    return same;
}

static bool replay(const struct order *o)
{
    for (uint64_t seed = o->first; seed <= o->last && seed < o->first + 20; seed++) {
        if (!compare_traces(seed, o->events)) {
            printf("not ok 2 - seed %llu has two traces\n", (unsigned long long)seed);
            return false;
        }
    }
    printf("ok 2 - the same seed has the same trace, byte for byte\n");
    return true;
}

static bool count_one(const char *name, int64_t count, const char *text)
{
    printf("# %-24s %8lld  %s\n", name, (long long)count, text);
    if (count == 0)
        printf("not ok 3 - %s was never fired\n", name);
    return count > 0;
}

/* What seldom happens has happened, all of it. */
static bool count_unlikely(const struct tally *t)
{
    bool is_whole = true;
    for (int u = 0; u < UNLIKELY_ROWS; u++)
        is_whole &= count_one(unlikely_name((enum unlikely)u), unlikely_count((enum unlikely)u),
                              unlikely_text((enum unlikely)u));
    for (int f = FAULT_NONE + 1; f < FAULTS; f++)
        is_whole &= count_one(fault_name((enum fault)f), t->seen[f], fault_text((enum fault)f));
    if (is_whole)
        printf("ok 3 - all %d unlikely things and %d faults happened\n", UNLIKELY_ROWS, FAULTS - 1);
    return is_whole;
}

/* --- 100,000 seeds ---------------------------------------------------------------------------- */

static uint64_t read_progress(const char *file)
{
    unsigned long long done = 0;
    FILE *f = fopen(file, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu", &done) != 1)
        done = 0;
    fclose(f);
    return done;
}

static void write_progress(const char *file, uint64_t done)
{
    FILE *f = fopen(file, "w");
    CHECK(f != NULL);
    fprintf(f, "%llu\n", (unsigned long long)done);
    fclose(f);
}

static int prove(struct order *o, const char *folder)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/seeds", folder);
    for (uint64_t done = read_progress(file); done < PROVED_SEEDS; done += SLICE) {
        o->first = done + 1;
        o->last = done + SLICE;
        struct tally tally;
        if (!play_range(o, &tally))
            return 1;
        write_progress(file, done + SLICE);
    }
    return 0;
}

/* --- what is asked for ------------------------------------------------------------------------ */

static void set_range(struct order *o, const char *text)
{
    char *end;
    o->first = o->last = strtoull(text, &end, 10);
    if (*end == '-')
        o->last = strtoull(end + 1, NULL, 10);
}

static void read_environment(struct order *o)
{
    const char *seed = getenv("SEED"), *seeds = getenv("SEEDS");
    if (seeds != NULL)
        o->last = strtoull(seeds, NULL, 10);
    if (seed != NULL)
        set_range(o, seed);
}

static bool read_arguments(struct order *o, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--seed") == 0)
            set_range(o, argv[i + 1]);
        else if (strcmp(argv[i], "--events") == 0)
            o->events = strtoll(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--trace") == 0)
            o->trace = argv[i + 1];
        else if (strcmp(argv[i], "--ledger") == 0)
            o->ledger = argv[i + 1];
        else
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    struct order o = {.first = 1, .last = USUAL_SEEDS, .events = 2000};
    read_environment(&o);
    if (!read_arguments(&o, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--seeds A-B | --seed S] [--events N] [--trace FILE] [--ledger FILE]\n",
                argv[0]);
        return 2;
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    signal(SIGALRM, died);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1 && getenv("NEBULA_PROVE") != NULL) /* who names seeds wants these */
        return prove(&o, getenv("NEBULA_PROVE"));
    struct tally tally;
    if (!play_range(&o, &tally))
        return 1;
    if (argc > 1)
        return 0;
    bool is_whole = replay(&o);
    if (o.last - o.first + 1 >= WHOLE_SEEDS) /* fewer need not have everything in them */
        is_whole &= count_unlikely(&tally);
    return is_whole ? 0 : 1;
}
