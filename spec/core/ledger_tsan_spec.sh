#!/bin/sh
# ledger_tsan_spec.sh - the ledger on real threads (ledger_threads_spec.c), and budgets (budget_spec.c), under the thread
# sanitizer: which order of memory they rely on, no simulation can tell. limit: 300 s
#
# It compiles what it needs by itself: not under coverage, not under asan, not under tsan. Speaks TAP. TRANSFERS=n is how
# often a connection changes hands (20000; NEBULA_PROVE: 10000000, which takes ten minutes and more).
set -u
cd "$(dirname "$0")/../.." || exit 1
. spec/support/verdict.sh
build=${NEBULA_BUILD:-build}/ledger_tsan
mkdir -p "$build"
log=$build/log
usual=20000
[ -z "${NEBULA_PROVE:-}" ] || usual=10000000
export TRANSFERS="${TRANSFERS:-$usual}"
export TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/spec/support/tsan.supp"

loop='common loop_uv watch_uv guest_uv blocking resolve'

# NAME SOURCE...: one spec, and what it needs of core/ and rules/.
races() {
    name=$1
    shift
    # shellcheck disable=SC2046,SC2086
    if ! gcc -std=c11 -D_GNU_SOURCE -Iengine -O1 -g -fsanitize=thread -fno-omit-frame-pointer -pthread \
        -o "$build/$name" "spec/core/$name.c" engine/base/*.c "$@" \
        $(printf 'engine/core/%s.c ' $loop) $(pkg-config --cflags --libs libuv cmocka) -lm >"$log" 2>&1; then
        verdict "not ok" "$name does not build: $(head -n 1 "$log")"
    elif "$build/$name" >"$log" 2>&1; then
        verdict ok "$name: $(sed -n 's/^# //p' "$log" | head -n 1)"
    else
        verdict "not ok" "$name: $(grep -m 1 -E 'WARNING|CHECK|ERROR|error' "$log"), see $log"
    fi
}

races ledger_threads_spec engine/core/ledger.c engine/core/ledger_home.c
races budget_spec engine/core/budget.c engine/rules/slice.c
echo "1..$number"
exit $failed
