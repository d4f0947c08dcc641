#!/bin/sh
# hub_tsan_spec.sh - the channels of the process on real threads (hub_threads_spec.c) under the thread sanitizer. limit: 300 s
#
# It compiles what it needs by itself: not under coverage, not under asan, not under tsan. Speaks TAP. MESSAGES=n is how
# many are sent (60000; NEBULA_PROVE: 5000000).
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${NEBULA_BUILD:-build}/hub_tsan
. spec/support/verdict.sh
. spec/support/races.sh
usual=60000
[ -z "${NEBULA_PROVE:-}" ] || usual=5000000
export MESSAGES="${MESSAGES:-$usual}"

races hub_threads_spec engine/hub.c engine/hub_line.c
echo "1..$number"
exit $failed
