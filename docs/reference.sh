#!/bin/sh
# reference.sh [FOLDER] - writes the reference pages into FOLDER (docs/reference) from the tables in the sources.
#
# A page that is written from the table cannot say something else than the program does.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-docs/reference}
mkdir -p "$folder"

# A row of the table of errors is two lines: X(NAME, "name", ACTION, "what happened", \ and "where to look first")
errors() {
    awk -F '"' -v page="$1" '
        BEGIN {
            means["NONE"] = "nothing to do"
            means["RETRY"] = "retry: the same again may work at once"
            means["WAIT"] = "wait: the same again may work later"
            means["ROTATE"] = "rotate: get another credential"
            means["FIX"] = "fix: repair the program or the declaration"
            means["STOP"] = "stop: give up, somebody decided so"
            means["ASK"] = "ask: a person has to look"
        }
        /^ *X\(/ {
            name = $2; text = $4; action = $3
            gsub(/[ ,]/, "", action)
            if (!(action in means)) { print FILENAME ":" FNR ": unknown action " action > "/dev/stderr"; exit 1 }
            next
        }
        name != "" && page == "table" { printf "| `%s` | %s | %s |\n", name, text, means[action] }
        name != "" && page == "help" && $2 != "" {
            printf "\n## %s\n\n%s\n\n- May be done: %s.\n- Look at: %s\n", name, text, means[action], $2
        }
        name != "" { name = ""; rows++ }
        END { if (!rows) exit 1 }' engine/base/error.h
}

{
    cat <<'END'
# Errors

Written by `make docs` from `engine/base/error.h`.

A failed call returns `nil, err`. `err.code` is the name below, `err.action` the first word of what may
be done about it, `err.outcome` whether the server certainly did it (`ok`), certainly did not
(`failed`) or may have (`in_doubt`). Where to look first: [troubleshooting.md](troubleshooting.md).

| code | what happened | what may be done |
|---|---|---|
END
    errors table
} >"$folder/errors.md"

{
    cat <<'END'
# Troubleshooting, by error code

Written by `make docs` from `engine/base/error.h`.

The code stands behind the sentence of each error: `shop: no answer by the deadline, after 5029 ms (deadline)`. Before anything
else: `nebula ls` shows which resource is in trouble, `nebula inspect NAME` its connections, its queue and the last thing that
went wrong while connecting, and the program's log has one line for each connection that was lost.
END
    errors help
} >"$folder/troubleshooting.md"

# The rows look like: X(NAME, "name", KIND, "manual text") \
counted() {
    awk -F '"' '
        BEGIN {
            means["NOW"] = "now"
            means["TOTAL"] = "since it was declared"
            means["WHOLE"] = "whole number"
            means["REAL"] = "number"
        }
        /^ *X\(/ {
            kind = $3
            gsub(/[ ,]/, "", kind)
            if (!(kind in means)) { print FILENAME ":" FNR ": unknown kind " kind > "/dev/stderr"; exit 1 }
            printf "| `%s` | %s | %s |\n", $2, means[kind], $4
            rows++
        }
        END { if (!rows) exit 1 }' "$1"
}

{
    cat <<'END'
# Counters

Written by `make docs` from `engine/core/counters.h` and `engine/core/window.h`.

`resource:stats()` returns them by name, of the resource as a whole and, in `roles`, of each role;
`nebula inspect --json` has them for each role that was used. From `calls` on they are of the resource
alone. Of a process with several workers they are those of all, and `silent` lists the workers that did not
turn for a second.

| counter | of | what it counts |
|---|---|---|
END
    counted engine/core/counters.h
    cat <<'END'

## The last minutes

`window` of each role that was used, in `stats().roles` and in `nebula inspect --json`, tells what its last two to
four minutes were like; from the shell with `advice` beside it, the recommendation in words. Times are in
microseconds. Quantiles are less than 2 % off, the longest is exact.

| figure | | what it tells |
|---|---|---|
END
    counted engine/core/window.h
} >"$folder/counters.md"

# A row of the table of decisions is two lines: [RECORD_NAME] = {"name", {{"number"}, ...}, and "what it means"
decisions() {
    awk -F '"' '
        /\[RECORD_[A-Z_]+\] = \{"/ {
            name = $2; numbers = ""
            for (i = 4; i < NF; i += 2) numbers = numbers (numbers == "" ? "" : ", ") "`" $i "`"
            next
        }
        name != "" { printf "| `%s` | %s | %s |\n", name, numbers, $2; name = ""; rows++ }
        END { if (!rows) exit 1 }' engine/core/record.c
}

{
    cat <<'END'
# Decisions

Written by `make docs` from `engine/core/record.c`.

`nebula explain NAME` tells them as sentences; `--json` as records, in `records` of each of the `calls`, and in `events` what
the resource did itself (`circuit_opened` and what is behind it). Each record has `what`, `at` (when, in seconds since
1970), `attempt` (of a call, from 1), `generation` (of the declarations), and `file` and `line` of the setting that decided, when
that is known. Times end in `_us`: microseconds.

| what | numbers and words | what it means |
|---|---|---|
END
    decisions
} >"$folder/decisions.md"

"${NEBULA_BUILD:-build}/nebula-lua" docs/settings.lua >"$folder/settings.md"
