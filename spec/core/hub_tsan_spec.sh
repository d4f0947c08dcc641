#!/bin/sh
# hub_tsan_spec.sh - the channels of the process on real threads (hub_threads_spec.c) under the thread sanitizer. limit: 300 s
#
# It compiles what it needs by itself: not under coverage, not under asan, not under tsan. Speaks TAP. MESSAGES=n is how
# many are sent (60000; NEBULA_PROVE: 5000000).
set -u
cd "$(dirname "$0")/../.." || exit 1
. spec/support/verdict.sh
build=${NEBULA_BUILD:-build}/hub_tsan
mkdir -p "$build"
log=$build/log
usual=60000
[ -z "${NEBULA_PROVE:-}" ] || usual=5000000
export MESSAGES="${MESSAGES:-$usual}"
export TSAN_OPTIONS="halt_on_error=1"

# shellcheck disable=SC2046,SC2086
if ! gcc -std=c11 -D_GNU_SOURCE -Iengine -O1 -g -fsanitize=thread -fno-omit-frame-pointer -pthread \
    -o "$build/hub_threads_spec" spec/core/hub_threads_spec.c engine/hub.c engine/hub_line.c engine/base/index.c \
    $(pkg-config --cflags --libs cmocka) >"$log" 2>&1; then
    verdict "not ok" "it does not build: $(head -n 1 "$log")"
elif "$build/hub_threads_spec" >"$log" 2>&1; then
    verdict ok "$(sed -n 's/^# \(rough.*\)/\1/p' "$log")"
else
    verdict "not ok" "$(grep -m 1 -E 'WARNING|CHECK|ERROR|error' "$log"), see $log"
fi
echo "1..$number"
exit $failed
