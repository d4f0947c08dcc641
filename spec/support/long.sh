#!/bin/sh
# long.sh - fails on what nobody reads to the end: a C function over 70 lines, a C file over 500, a Lua file
# over 300.
set -u
cd "$(dirname "$0")/../.."
find $(ls -d engine lua resources policies spec bench examples deploy 2>/dev/null) -type f \( -name '*.[ch]' -o -name '*.lua' \) -print0 |
    sort -z | xargs -0 awk '
    function ended() {
        most = file ~ /\.lua$/ ? 300 : 500
        if (lines > most) { printf "%s: %d lines, at most %d\n", file, lines, most; bad = 1 }
    }
    FNR == 1 { if (file) ended(); file = FILENAME; begun = 0 }
    { lines = FNR }
    FILENAME ~ /\.[ch]$/ && /^\{/ { begun = FNR }
    FILENAME ~ /\.[ch]$/ && /^\}/ {
        if (begun && FNR - begun > 70) {
            printf "%s:%d: a function of %d lines, at most 70\n", FILENAME, begun, FNR - begun
            bad = 1
        }
        begun = 0
    }
    END { if (file) ended(); exit bad }'
