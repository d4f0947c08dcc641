#!/bin/sh
# bugs_spec.sh - every bug in spec/sim/bugs/ is planted into a copy of the engine, and the simulation must find it within
# 1,000 seeds. limit: 1200 s
#
# It builds copies of its own, the usual way: not under coverage, not under asan, not under tsan. Speaks TAP. A patch that
# does not apply any more is a failure: the bug has to be planted anew. With names of bugs as arguments only those are planted.
set -u
cd "$(dirname "$0")/../.." || exit 1
from=${NEBULA_BUILD:-build}
build=$from/bugs
most=${SEEDS:-1000}
log=$build/log
rm -rf "$build"
mkdir -p "$build/healthy"

simulate() {
    make --no-print-directory -C "$1" BUILD=build build/spec/sim/seeds_spec >>"$log" 2>&1
}

# What was compiled already: a copy with its objects has only the patched files to compile.
with_objects() {
    mkdir -p "$1/build" && (here=$PWD && cd "$from" &&
        { find engine spec -name '*.[od]'; ls flags libsim.a libsupport.a; } | xargs cp -p --parents -t "$here/$1/build")
}
cp -Rp engine spec Makefile "$build/healthy" && with_objects "$build/healthy" && simulate "$build/healthy" || {
    cat "$log"
    echo "not ok 1 - the simulation does not build"
    exit 1
}

. spec/support/verdict.sh

plant() {
    name=$(basename "$1" .patch)
    tree=$build/$name
    cp -Rp "$build/healthy" "$tree"
    if ! patch -d "$tree" -p1 --no-backup-if-mismatch <"$1" >>"$log" 2>&1; then
        verdict "not ok" "$name: the patch does not apply: plant the bug anew"
    elif ! simulate "$tree"; then
        verdict "not ok" "$name: does not compile"
    elif found=$(timeout 300 "$tree/build/spec/sim/seeds_spec" --seeds "1-$most" 2>/dev/null); then
        verdict "not ok" "$name: not found within $most seeds"
    else
        verdict ok "$name: $(echo "$found" | sed -n 's/^not ok 1 - //p' | head -n 1)"
    fi
    rm -rf "$tree"
}

if [ $# -gt 0 ]; then
    for bug; do plant "spec/sim/bugs/$bug.patch"; done
else
    for bug in spec/sim/bugs/*.patch; do plant "$bug"; done
fi
[ "$number" -ge 10 ] || [ $# -gt 0 ] || verdict "not ok" "only $number bugs are planted"
exit $failed
