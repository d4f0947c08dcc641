#!/bin/sh
# step.sh NAME SECONDS COMMAND... - runs one file of tests that speaks TAP, within a time.
#
# All it says goes to $LOG/NAME.log, its counts to $LOG/NAME.count. On the terminal it is one line, or everything
# when something failed.
set -u
name=$1 limit=$2
shift 2
file=$LOG/$(echo "$name" | tr / .)
begun=$(date +%s%N)

# timeout gives the tests a process group of their own, so an interrupt has to be handed on.
timeout -k 10 "$limit" "$@" >"$file.log" 2>&1 </dev/null &
child=$!
trap 'kill -TERM $child; wait $child; exit 130' INT TERM HUP
wait $child
status=$?
took=$((($(date +%s%N) - begun) / 10000000))

[ $status -ne 124 ] && [ $status -ne 137 ] || echo "# not over after $limit s" >>"$file.log"
awk -v status=$status -v OFS=' ' '
    /^[ \t]*(not )?ok [0-9]+.*# SKIP/ { skipped++; next }
    /^[ \t]*ok [0-9]+/ { passed++ }
    /^[ \t]*not ok [0-9]+/ { failed++ }
    END {
        # A file that dies, or says nothing, is a failure that no line has counted.
        if (!failed && (status != 0 || passed + skipped == 0))
            failed = 1
        print passed + 0, failed + 0, skipped + 0
    }' "$file.log" >"$file.count"
read -r passed failed skipped <"$file.count"

seconds=$((took / 100)).$(printf %02d $((took % 100)))
if [ "$failed" -gt 0 ]; then
    # In one write, so that two failures do not mix.
    printf '%s\n' "$(printf 'FAIL  %s: %s of %s failed (%s s, exit %s)\n' "$name" "$failed" \
        $((passed + failed)) "$seconds" "$status"; sed 's/^/    /' "$file.log")"
else
    printf 'ok    %s: %s (%s s)%s\n' "$name" "$passed" "$seconds" \
        "$([ "$skipped" = 0 ] || { echo ", skipped:"; grep '# SKIP' "$file.log" | sed 's/.*# SKIP/     /'; })"
fi
