#!/bin/sh
# suite.sh LOG - runs the tests that steps.sh listed on stdin and ends with "N passed, N failed, N skipped".
#
# Logs and counts of each lie in the folder LOG. What may run side by side does, half as many files again as there are
# processors (JOBS): most files wait for a server, a deadline or a pause much of their time.
set -u
export LOG="$1" CMOCKA_MESSAGE_OUTPUT=TAP
here=$(dirname "$0")
rm -rf "$LOG"
mkdir -p "$LOG"
cat >"$LOG/steps"

lane() {
    sed -n "s/^$1 //p" "$LOG/steps" | xargs -r -P "$2" -L 1 sh "$here/step.sh"
}
lane any $((${JOBS:-$(nproc)} * 3 / 2))
lane alone 1

cat "$LOG"/*.count 2>/dev/null | awk '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0 || passed == 0
    }' >"$LOG/summary"
status=$?
ran=$(cat "$LOG"/*.count 2>/dev/null | wc -l) listed=$(wc -l <"$LOG/steps")
cat "$LOG/summary"
[ "$ran" -eq "$listed" ] || { echo "only $ran of $listed files of tests came to an end" >&2; exit 1; }
exit $status
