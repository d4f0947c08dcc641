#!/bin/sh
# reference.sh [FOLDER] - writes the reference pages into FOLDER (docs/reference) from the tables in the sources.
#
# A page that is written from the table cannot say something else than the program does.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-docs/reference}
mkdir -p "$folder"

# The rows look like: X(NAME, "name", ACTION, "manual text") \
awk -F '"' '
    BEGIN {
        means["NONE"] = "nothing to do"
        means["RETRY"] = "retry: the same again may work at once"
        means["WAIT"] = "wait: the same again may work later"
        means["ROTATE"] = "rotate: get another credential"
        means["FIX"] = "fix: repair the program or the declaration"
        means["STOP"] = "stop: give up, somebody decided so"
        means["ASK"] = "ask: a person has to look"
        print "# Errors\n"
        print "Written by `make docs` from `engine/base/error.h`.\n"
        print "A failed call returns `nil, err`. `err.code` is the name below, `err.action` the first word of what may"
        print "be done about it, `err.outcome` whether the server certainly did it (`ok`), certainly did not"
        print "(`failed`) or may have (`in_doubt`).\n"
        print "| code | what happened | what may be done |"
        print "|---|---|---|"
    }
    /^ *X\(/ {
        action = $3
        gsub(/[ ,]/, "", action)
        if (!(action in means)) { print FILENAME ":" FNR ": unknown action " action > "/dev/stderr"; exit 1 }
        printf "| `%s` | %s | %s |\n", $2, $4, means[action]
        rows++
    }
    END { if (!rows) exit 1 }' engine/base/error.h >"$folder/errors.md"

"${NEBULA_BUILD:-build}/nebula-lua" docs/settings.lua >"$folder/settings.md"
