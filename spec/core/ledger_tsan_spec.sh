#!/bin/sh
# ledger_tsan_spec.sh - the ledger on real threads (ledger_threads_spec.c), and budgets (budget_spec.c), under the thread
# sanitizer: which order of memory they rely on, no simulation can tell. limit: 300 s
#
# It compiles what it needs by itself: not under coverage, not under asan, not under tsan. Speaks TAP. TRANSFERS=n is how
# often a connection changes hands (20000; NEBULA_PROVE: 10000000, which takes ten minutes and more).
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${NEBULA_BUILD:-build}/ledger_tsan
. spec/support/verdict.sh
. spec/support/races.sh
usual=20000
[ -z "${NEBULA_PROVE:-}" ] || usual=10000000
export TRANSFERS="${TRANSFERS:-$usual}"

loop=$(printf 'engine/core/%s.c ' common loop_uv watch_uv guest_uv blocking resolve)

# shellcheck disable=SC2086
{
    races ledger_threads_spec $loop engine/core/ledger.c engine/core/ledger_home.c engine/core/ledger_late.c
    races budget_spec $loop engine/core/budget.c engine/rules/slice.c
}
echo "1..$number"
exit $failed
