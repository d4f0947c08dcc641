#!/bin/sh
# replay_spec.sh - what the simulation does to its ledgers the model can follow (replay.pml), and what a ledger with a planted
# mistake does it refuses. limit: 900 s
#
# It builds a checker and copies of its own, the usual way: not under coverage, not under asan, not under tsan. Speaks TAP.
# TRACES=n is how many seeds (40; NEBULA_PROVE: 1000).
set -u
cd "$(dirname "$0")/../.." || exit 1
. spec/support/verdict.sh
. spec/sim/tree.sh
from=${NEBULA_BUILD:-build}
model=$PWD/spec/model
build=$PWD/$from/replay
usual=40
[ -z "${NEBULA_PROVE:-}" ] || usual=1000
traces=${TRACES:-$usual}
rm -rf "$build" && mkdir -p "$build"
log=$build/log

(cd "$build" && spin -a "$model/replay.pml" && gcc -w -O2 -DSAFETY -DNOREDUCE -DVECTORSZ=1024 -I"$model" -o pan pan.c) >"$log" 2>&1 || {
    cat "$log"
    echo "not ok 1 - the model does not compile"
    exit 1
}

# FILE, of one ledger: $refused says why it is refused, and is empty when it is followed to its end.
follow() {
    answer=$(cd "$build" && REPLAY_TRACE=$1 ./pan -m1000000 -w18 2>&1)
    now=$(echo "$answer" | sed -n 's/^followed: \([0-9]*\) steps/\1/p')
    case $answer in
    *'errors: 0'*) refused='' ;;
    *) refused=$(echo "$answer" | grep -m 1 -E 'refused|assertion|error') now= ;;
    esac
    [ -n "$refused" ] || [ "$now" = "$(wc -l <"$1")" ] || refused="only ${now:-0} steps were followed"
    steps=$((steps + ${now:-0}))
}

# PROGRAM FIRST LAST: until a trace is refused. What the play itself comes to is another spec's.
play() {
    refused='' steps=0 ledgers=0
    for seed in $(seq "$2" "$3"); do
        rm -f "$build"/trace.*
        "$1" --seed "$seed" --ledger "$build/lines" >/dev/null 2>&1
        awk -v to="$build/trace." '{ print > (to $1) }' "$build/lines"
        for trace in "$build"/trace.*; do
            [ -f "$trace" ] || continue
            ledgers=$((ledgers + 1))
            follow "$trace"
            [ -z "$refused" ] || { refused="seed $seed: $refused"; return; }
        done
    done
}

play "$from/spec/sim/seeds_spec" 1 "$traces"
if [ -n "$refused" ]; then
    verdict "not ok" "$refused"
elif [ "$ledgers" -lt "$traces" ]; then
    verdict "not ok" "only $ledgers ledgers in $traces seeds"
else
    verdict ok "$traces seeds: $steps steps on $ledgers ledgers are followed"
fi

tree=$build/tree
copy_healthy "$from" "$tree" && simulate "$tree" || { cat "$log"; exit 1; }
for bug in spec/model/bugs/*.patch; do
    name=$(basename "$bug" .patch)
    if ! plant_in "$tree" "$bug"; then
        verdict "not ok" "$name: the patch does not apply: plant the mistake anew"
        continue
    fi
    if ! simulate "$tree"; then
        verdict "not ok" "$name: does not compile"
    else
        play "$tree/build/spec/sim/seeds_spec" 1 200
        if [ -n "$refused" ]; then verdict ok "$name: $refused"; else verdict "not ok" "$name: 200 seeds are followed"; fi
    fi
    pull_from "$tree" "$bug"
done
rm -rf "$tree"
echo "1..$number"
exit $failed
