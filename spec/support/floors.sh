#!/bin/sh
# floors.sh - fails on an include or a require that goes up, or sideways where it must not.
#
# The floors are those of docs/design.md: base knows C, rules decide, core lives on the loop, drivers speak to
# client libraries, the program alone knows Lua. Calls go down. Also: every header compiles alone.
set -u
status=0
cd "$(dirname "$0")/../.."

# What each floor may include of ours, and which libraries belong to whom.
find engine \( -name '*.c' -o -name '*.h' \) -print0 | sort -z | xargs -0 awk '
    function stem(path) { sub(/^.*\//, "", path); sub(/[._].*$/, "", path); return path }
    function may(file, header) {
        if (file ~ /^engine\/base\//) return header ~ /^base\//
        if (file ~ /^engine\/rules\//)
            return header ~ /^(rules\/policy|base\/check)\.h$/ || header == own
        if (file ~ /^engine\/core\//) return header ~ /^(base|rules|core)\// || header ~ /^nebula(_balance|_chaos|_policy|_host)?[.]h$/
        if (file ~ /^engine\/drivers\//)
            return header ~ /^base\// || header ~ /^core\/(driver|blocking|conn|context|loop|value)\.h$/ ||
                header ~ /^nebula(_driver)?\.h$/ || header == "drivers/drivers.h" ||
                (file ~ /\/(loaded|linked)\.c$/ && header ~ /^drivers\/(given|foreign)\.h$/) ||
                (header ~ /^drivers\// && stem(header) == stem(file))
        if (file == "engine/nebula.h") return 0
        if (file ~ /^engine\/nebula[a-z_]*[.][ch]$/) return header ~ /^(base|rules|core)\// || header ~ /^nebula(_border|_balance|_chaos|_policy|_host)?[.]h$/
        return header !~ /\// || header ~ /^base\//   # the program: the border and itself
    }
    function owner(file, header) {
        if (header ~ /^(lua|lualib|lauxlib|luajit)\.h$/) return file ~ /^engine\/[a-z_]+\.[ch]$/ && file !~ /nebula/
        if (header == "uv.h") return file ~ "^engine/core/loop_uv[.]"
        if (header ~ /^(libpq|pg_|postgres|openssl)/) return file ~ /^engine\/drivers\/postgres/
        if (header == "dlfcn.h") return file ~ /^engine\/(drivers\/(loaded|foreign)|declare)\.c$/
        if (header ~ /^sqlite3/) return file ~ /^engine\/drivers\/sqlite/
        return 1
    }
    FNR == 1 { own = FILENAME; sub(/^engine\//, "", own); sub(/\.c$/, ".h", own) }
    /^[ \t]*#[ \t]*include/ {
        header = $0
        gsub(/^[^"<]*["<]|[">].*$/, "", header)
        if ($0 ~ /"/ ? !may(FILENAME, header) : !owner(FILENAME, header)) {
            printf "%s:%d: may not include %s\n", FILENAME, FNR, header
            bad = 1
        }
    }
    END { exit bad }' || status=1

# ffi is known in one file; the engine in Lua does not look into kinds, policies or examples.
for file in $(find lua resources policies examples -name '*.lua' 2>/dev/null | sort); do
    [ "$file" = lua/nebula/c.lua ] || ! grep -nE "require[ (]*[\"']ffi[\"']" "$file" /dev/null || {
        echo "$file: only lua/nebula/c.lua may know ffi"
        status=1
    }
    ! grep -nE "require[ (]*[\"'](spec|bench)\." "$file" /dev/null || {
        echo "$file: may not require what tests it"
        status=1
    }
done

# A step of the model is a function of the ledger.
for step in $(sed -n 's/^inline \(permits_[a-z_]*\).*/\1/p' spec/model/ledger.pml); do
    grep -q "\b$step(" engine/core/ledger.h || {
        echo "spec/model/ledger.pml: engine/core/ledger.h has no $step()"
        status=1
    }
done
for function in $(sed -n 's/^[a-z].*[ *]\(permits_[a-z_]*\)(.*/\1/p' engine/core/ledger.h); do
    case $function in
    permits_join | permits_out | permits_elsewhere | permits_census) continue ;; # they change nothing that others see
    permits_claims | permits_has_come | permits_has_excess | permits_is_over | permits_is_full) continue ;;
    permits_is_home | permits_least) continue ;; # who keeps the minimum is told apart, and takes permits like all
    permits_opened | permits_closed | permits_open) continue ;; # and goes by what is open
    permits_renew | permits_renewed_us) continue ;; # of the age of connections the model knows nothing
    esac
    grep -q "^inline $function(" spec/model/ledger.pml || {
        echo "engine/core/ledger.h: spec/model/ledger.pml has no $function"
        status=1
    }
done

uses=$(pkg-config --cflags libuv libpq libssl sqlite3 jansson luajit | sed 's/-I/-isystem /g')
for header in $(find engine spec -name '*.h' | sort); do
    # shellcheck disable=SC2086
    gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Iengine -Ispec $uses -include "$header" \
        -x c /dev/null || { echo "$header: does not compile alone"; status=1; }
done
exit $status
