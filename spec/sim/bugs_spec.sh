#!/bin/sh
# bugs_spec.sh - every bug in spec/sim/bugs/ is planted, one by one, into a copy of the engine, and the simulation must
# find it within 1,000 seeds. limit: 1200 s
#
# It builds copies of its own, the usual way: not under coverage, not under asan, not under tsan. Speaks TAP. A patch that
# does not apply any more is a failure: the bug has to be planted anew. With names of bugs as arguments only those are planted.
set -u
cd "$(dirname "$0")/../.." || exit 1
. spec/support/verdict.sh
. spec/sim/tree.sh
from=${NEBULA_BUILD:-build}
build=$PWD/$from/bugs
tree=$build/tree
most=${SEEDS:-1000}
log=$build/log
rm -rf "$build" && mkdir -p "$build"

copy_healthy "$from" "$tree" && simulate "$tree" || {
    cat "$log"
    echo "not ok 1 - the simulation does not build"
    exit 1
}

plant() {
    name=$(basename "$1" .patch)
    if ! plant_in "$tree" "$1"; then
        verdict "not ok" "$name: the patch does not apply: plant the bug anew"
        return
    fi
    if ! simulate "$tree"; then
        verdict "not ok" "$name: does not compile"
    elif found=$(timeout 300 "$tree/build/spec/sim/seeds_spec" --seeds "1-$most" 2>/dev/null); then
        verdict "not ok" "$name: not found within $most seeds"
    else
        verdict ok "$name: $(echo "$found" | sed -n 's/^not ok 1 - //p' | head -n 1)"
    fi
    pull_from "$tree" "$1"
}

if [ $# -gt 0 ]; then
    for bug; do plant "spec/sim/bugs/$bug.patch"; done
else
    for bug in spec/sim/bugs/*.patch; do plant "$bug"; done
fi
[ "$number" -ge 10 ] || [ $# -gt 0 ] || verdict "not ok" "only $number bugs are planted"
rm -rf "$tree"
exit $failed
