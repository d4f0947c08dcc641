#!/bin/sh
# ledger_tsan_spec.sh - the ledger on real threads (ledger_threads_spec.c) under the thread sanitizer: which order of memory it
# relies on, no simulation can tell. limit: 300 s
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

ledger='ledger common loop_uv watch_uv guest_uv blocking resolve'
# shellcheck disable=SC2046,SC2086
if ! gcc -std=c11 -D_GNU_SOURCE -Iengine -O1 -g -fsanitize=thread -fno-omit-frame-pointer -pthread \
    -o "$build/ledger_threads_spec" spec/core/ledger_threads_spec.c engine/base/*.c \
    $(printf 'engine/core/%s.c ' $ledger) $(pkg-config --cflags --libs libuv cmocka) -lm >"$log" 2>&1; then
    verdict "not ok" "it does not build: $(head -n 1 "$log")"
elif "$build/ledger_threads_spec" >"$log" 2>&1; then
    verdict ok "$(sed -n 's/^# //p' "$log")"
else
    verdict "not ok" "$(grep -m 1 -E 'WARNING|CHECK|ERROR|error' "$log"), see $log"
fi
echo "1..$number"
exit $failed
