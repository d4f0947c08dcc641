#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct seen *place_of(const struct counts *c, int64_t id)
{
    size_t at = (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (c->room - 1);
    while (c->id[at].times != 0 && c->id[at].id != id)
        at = (at + 1) & (c->room - 1);
    return &c->id[at];
}

static void make_room(struct counts *c)
{
    struct counts larger = {.room = c->room == 0 ? 1024 : c->room * 2};
    larger.id = calloc(larger.room, sizeof larger.id[0]);
    if (larger.id == NULL) {
        perror("memory");
        exit(1);
    }
    for (size_t i = 0; i < c->room; i++)
        if (c->id[i].times != 0)
            *place_of(&larger, c->id[i].id) = c->id[i];
    free(c->id);
    c->id = larger.id;
    c->room = larger.room;
}

static struct slice *slice_of(struct counts *c, int64_t at_us)
{
    int64_t number = at_us / SLICE_US;
    struct slice *s = &c->slice[number % SLICES];
    if (s->number != number)
        *s = (struct slice){.number = number};
    return s;
}

void counts_see(struct counts *c, int64_t id)
{
    if (c->ids * 2 >= c->room)
        make_room(c);
    struct seen *s = place_of(c, id);
    c->ids += s->times == 0;
    s->id = id;
    s->times++;
    if (s->times > c->most)
        c->most = s->times;
    c->seen++;
    slice_of(c, now_us())->seen++;
}

void counts_answer(struct counts *c, enum status status)
{
    c->answered[status]++;
    slice_of(c, now_us())->ok += status == OK;
}

struct slice counts_between(const struct counts *c, int64_t from_us, int64_t until_us)
{
    struct slice sum = {.number = from_us / SLICE_US};
    int64_t last = until_us / SLICE_US;
    if (last - sum.number > SLICES)
        last = sum.number + SLICES;
    for (int64_t number = sum.number; number < last; number++) {
        const struct slice *s = &c->slice[number % SLICES];
        sum.seen += s->number == number ? s->seen : 0;
        sum.ok += s->number == number ? s->ok : 0;
    }
    return sum;
}

void counts_forget(struct counts *c)
{
    free(c->id);
    memset(c, 0, sizeof *c);
}
