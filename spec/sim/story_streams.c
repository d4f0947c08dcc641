/* story_streams.c - scenarios of what goes on for a while: streams in both directions, listeners. */
#include <stdio.h>

#include "story.h"

void story_streams(struct story *s)
{
    int64_t lease = story_lease(s);
    struct nebula_request request = {
        .lease = lease, .verb = NEBULA_STREAM, .text = "rows 9 9", .window = 2};
    if (lease != 0 && story_say(s, request)) {
        request = (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 2};
        story_say(s, request);
    }
    story_release(s, lease);
    story_add(s, 0, 1, 0);
}

/* Pushes a few in one stream, and ends it; what becomes of all of them. */
static void copy(struct story *s, int64_t lease, int first, int count, enum nebula_verb end,
                 enum fault fault)
{
    struct nebula_request request = {.lease = lease, .verb = NEBULA_STREAM, .text = "take 9"};
    bool is_whole = story_say(s, request);
    for (int id = first; id < first + count; id++) {
        char text[32];
        snprintf(text, sizeof text, "push 9 %d", id);
        request = (struct nebula_request){.lease = lease, .verb = NEBULA_PUSH, .text = text};
        is_whole = is_whole && story_say(s, request);
    }
    request = (struct nebula_request){
        .lease = lease, .verb = is_whole ? end : NEBULA_STOP, .text = is_whole ? "finish 9" : ""};
    if (fault != FAULT_NONE)
        server_order(s->rig.server, fault);
    int32_t outcome = story_ask(s, request);
    bool is_finished = is_whole && end == NEBULA_FINISH;
    for (int id = first; id < first + count; id++)
        story_claim(s, id, is_finished ? outcome : OUTCOME_FAILED);
}

/* Finished, given up, and pulled by mistake and left open by who gives the lease back. */
void story_copies(struct story *s)
{
    static const enum nebula_verb end[] = {NEBULA_FINISH, NEBULA_STOP, NEBULA_PULL};
    for (int i = 0; i < 6; i++) {
        int64_t lease = story_lease(s);
        enum fault fault = i < 3 ? FAULT_NONE : i == 3 ? FAULT_LOST_AFTER : FAULT_STUCK;
        if (lease != 0)
            copy(s, lease, 1 + 4 * i, 1 + i % 3, end[i % 3], fault);
        story_release(s, lease);
    }
    int64_t lease = story_lease(s);
    struct nebula_request request = {.lease = lease, .verb = NEBULA_STREAM, .text = "give 9 3"};
    if (lease != 0 && story_say(s, request))
        story_say(s, (struct nebula_request){.lease = lease, .verb = NEBULA_PULL, .window = 1});
    story_release(s, lease);
    story_add(s, 0, 30, 0);
}

/* Its number, or 0. */
static int64_t try_listen(struct story *s, int32_t queue, int32_t count)
{
    static const char *const name[] = {"5", "6", "7"};
    const struct nebula_channels c = {
        .resource = s->rig.shop, .count = count, .name = name, .queue = queue, .bytes = 100};
    struct nebula_reply reply;
    int32_t ticket = nebula_listen(s->rig.nebula, &c);
    return ticket > 0 && rig_await(&s->rig, ticket, &reply) == ERROR_OK ? reply.listener : 0;
}

/* Whatever it has until now. */
static void hear_all(struct story *s, int64_t listener)
{
    int32_t ticket, code = ERROR_OK;
    for (int i = 0; i < 10 && code == ERROR_OK; i++) {
        ticket = nebula_hear(s->rig.nebula, listener, 5 * MS);
        code = ticket > 0 ? rig_await(&s->rig, ticket, NULL) : ERROR_STALE;
    }
}

void story_listeners(struct story *s)
{
    int64_t one = try_listen(s, 2, 2), two = try_listen(s, 9, 3);
    for (int i = 0; i < 12; i++)
        server_tell(s->rig.server, 5 + i % 3);
    rig_pass(&s->rig, 20 * MS);
    hear_all(s, one);
    server_crash(s->rig.server, world_time_us() + 20 * MS);
    rig_pass(&s->rig, 500 * MS);
    server_tell(s->rig.server, 6);
    hear_all(s, two);
    nebula_unlisten(s->rig.nebula, two);
    rig_pass(&s->rig, 10 * MS);
    hear_all(s, one);
    nebula_unlisten(s->rig.nebula, one);
    story_add(s, 0, 1, 0);
}
