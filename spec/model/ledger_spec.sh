#!/bin/sh
# ledger_spec.sh - spin looks at every order of what workers do with the permits they share (ledger.pml), and finds the
# mistakes that are planted. limit: 900 s
#
# It builds a checker of its own, the usual way: not under coverage, not under asan, not under tsan. Speaks TAP.
# NEBULA_PROVE: more waiters, three workers, and all mistakes instead of three.
set -u
cd "$(dirname "$0")/../.." || exit 1
. spec/support/verdict.sh
build=${NEBULA_BUILD:-build}/model
model=$PWD/spec/model/ledger.pml
mkdir -p "$build"
cd "$build" || exit 1

# Says what came of it: the number of states, "found", or what is wrong.
check() {
    rm -rf "$1" && mkdir "$1" && (
        cd "$1" || exit
        shift
        spin "$@" -a "$model" >log 2>&1 && gcc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -o pan pan.c >>log 2>&1 ||
            { echo "it does not compile"; exit; }
        ./pan -m1000000 -w27 >log 2>&1
        if grep -q 'errors: 0$' log && ! grep -q 'out of memory\|max search depth too small' log; then
            awk '/states, stored/ { printf "%d\n", $1 }' log
        elif grep -q 'errors: 1$' log; then
            echo found
        else
            tail -n 1 log
        fi
    )
}

# NAME LEAST SETTING...: nothing is wrong, in so many states at least.
holds() {
    name=$1 least=$2
    shift 2
    states=$(check "$name" "$@")
    case $states in
    *[!0-9]* | '') verdict "not ok" "$name: $states" ;;
    *) if [ "$states" -ge "$least" ]; then verdict ok "$name: $states states"; else verdict "not ok" "$name: only $states states"; fi ;;
    esac
}

# Each mistake alone; a few workers are enough for it to show.
plant() {
    for fault; do
        for setting in '-DWORKERS=2 -DARRIVALS=3' '-DWORKERS=2 -DARRIVALS=2 -DMAX=1' '-DWORKERS=3 -DARRIVALS=3 -DMAX=1 -DEVENTS=0' \
            '-DWORKERS=2 -DARRIVALS=2 -DMIN=1'; do
            # shellcheck disable=SC2086
            answer=$(check "fault-$fault" -DFAULT="$fault" $setting)
            [ "$answer" != found ] || break
        done
        if [ "$answer" = found ]; then verdict ok "mistake $fault is found"; else verdict "not ok" "mistake $fault: $answer"; fi
    done
}

holds two-workers 1000000 -DWORKERS=2 -DARRIVALS=3
if [ -n "${NEBULA_PROVE:-}" ]; then
    holds two-workers-and-more 10000000 -DWORKERS=2 -DARRIVALS=5
    holds two-workers-and-a-minimum 1000000 -DWORKERS=2 -DARRIVALS=3 -DMIN=1
    holds three-workers 7000000 -DWORKERS=3 -DARRIVALS=2
    # shellcheck disable=SC2046
    plant $(seq 1 24)
else
    plant 5 12 16
fi
echo "1..$number"
exit $failed
