#!/bin/sh
# steps.sh BUILD [FOLDER...] - lists the tests: one line a file, "LANE NAME SECONDS COMMAND...". The name is the file,
# after the build it runs in when that is not the usual one.
#
# Lane `any` may run beside others, lane `alone` may not: it measures time. A spec that needs more than the usual time says
# so in its first lines ("limit: 600 s"), one that measures says "alone". With a sanitizer, which makes everything slow, it has
# three times the time, and nothing is measured. A spec that looks at the code or the memory of the program says
# "not under coverage", because there it is another program; "not under asan" and "not under tsan" are the same for those
# builds, with the reason behind. What looks at what is installed says "not aside": no other build is.
set -eu
build=$1
aside=${build##*/}/
[ "$build" != build ] || aside=
case $build in
*[at]san) is_slow=1 ;;
*) is_slow=0 ;;
esac
shift
[ $# -gt 0 ] || set -- faults sim model kinds library mutants core rules lua hostile support # what takes long first: then no processor waits at the end

head_of() {
    head -n 12 "$1"
}

for folder; do
    for file in "spec/$folder"/*_spec.c "spec/$folder"/*_spec.lua "spec/$folder"/*_spec.sh; do
        [ -f "$file" ] || continue
        if [ -n "$aside" ] && head_of "$file" | grep -q "not under ${aside%/}"; then continue; fi
        if [ -n "$aside" ] && head_of "$file" | grep -q 'not aside'; then continue; fi
        limit=$(head_of "$file" | sed -n 's/.*limit: \([0-9]*\) s.*/\1/p')
        lane=any
        if [ $is_slow = 0 ] && head_of "$file" | grep -qE '^(--| \*|/\*) alone\b'; then lane=alone; fi
        case $file in
        *.c) command="$build/${file%.c}" ;;
        *.sh) command="env NEBULA_BUILD=$build sh $file" ;;
        *) command="env NEBULA_BUILD=$build $build/nebula-lua $(command -v busted) -o TAP $file" ;;
        esac
        echo "$lane $aside$file $((${limit:-300} * (1 + 2 * is_slow))) $command"
    done
done
