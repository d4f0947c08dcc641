/* folder_spec.c - a folder on a real disk tells when somebody edits it, in whatever way editors do.
 */
#include "core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "support/stage.h"

struct desk {
    struct folder_watch watch;
    struct loop *loop;
    char folder[64];
    int told;
    bool leaves; /* stops watching when told */
};

static void changed(struct folder_watch *w)
{
    struct desk *d = container_of(w, struct desk, watch);
    d->told++;
    if (d->leaves)
        loop_unwatch_folder(d->loop, w);
}

static void desk_begin(struct desk *d, struct stage *s)
{
    *d = (struct desk){.watch = {.changed = changed}, .loop = s->loop};
    strcpy(d->folder, "/tmp/nebula-folder-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    assert_true(loop_watch_folder(s->loop, &d->watch, d->folder));
}

static void desk_end(struct desk *d)
{
    loop_unwatch_folder(d->loop, &d->watch);
    loop_unwatch_folder(d->loop, &d->watch);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", d->folder);
    assert_int_equal(system(command), 0);
}

static const char *path(const struct desk *d, const char *name)
{
    static char text[128];
    snprintf(text, sizeof text, "%s/%s", d->folder, name);
    return text;
}

static void write_file(const struct desk *d, const char *name, const char *text)
{
    FILE *f = fopen(path(d, name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Waits until it was told of the change; one change may be told several times. */
static void is_told(struct desk *d)
{
    int64_t until_us = loop_refresh(d->loop) + 10 * SECOND;
    while (d->told == 0 && loop_refresh(d->loop) < until_us)
        loop_turn(d->loop, until_us);
    assert_true(d->told > 0);
    for (int before = 0; before != d->told;) {
        before = d->told;
        loop_turn(d->loop, loop_refresh(d->loop) + 20 * MS);
    }
    d->told = 0;
}

static void each_way_to_edit_is_told(void **state)
{
    struct desk d;
    desk_begin(&d, *state);
    write_file(&d, "shop.lua", "one");
    is_told(&d);
    write_file(&d, "shop.lua", "two");
    is_told(&d);
    write_file(&d, "shop.lua~", "three"); /* as editors do: beside it, then in its place */
    is_told(&d);
    char from[128];
    snprintf(from, sizeof from, "%s", path(&d, "shop.lua~"));
    assert_int_equal(rename(from, path(&d, "shop.lua")), 0);
    is_told(&d);
    write_file(&d, "shop.lua", "four"); /* the file in the old one's place is watched as well */
    is_told(&d);
    assert_int_equal(unlink(path(&d, "shop.lua")), 0);
    is_told(&d);
    desk_end(&d);
}

static void a_watch_may_end_when_it_is_told(void **state)
{
    struct stage *s = *state;
    struct desk d;
    desk_begin(&d, s);
    d.leaves = true;
    write_file(&d, "shop.lua", "one");
    is_told(&d);
    write_file(&d, "shop.lua", "two");
    loop_turn(s->loop, loop_refresh(s->loop) + 50 * MS);
    assert_int_equal(d.told, 0);
    desk_end(&d);
}

static void what_is_no_folder_is_refused(void **state)
{
    struct stage *s = *state;
    struct folder_watch w = {.changed = changed};
    assert_false(loop_watch_folder(s->loop, &w, "/tmp/nebula-there-is-no-such-folder"));
    assert_false(loop_watch_folder(s->loop, &w, "/dev/null"));
    assert_null(w.impl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(each_way_to_edit_is_told),
        STAGED(a_watch_may_end_when_it_is_told),
        STAGED(what_is_no_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
