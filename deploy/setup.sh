#!/bin/sh
# setup.sh GROUP... - brings the Debian packages that a group of commands needs, without a question.
#
# What is there already is left alone, and then nothing is asked of the network. What is missing is installed as
# root or through a sudo that wants no password; where neither may be, the exact command is printed and 2 returned.
# With --check nothing is ever installed: it only tells.
set -eu

# group  package  what for
packages() {
    cat <<'END'
run      gcc               compiles the engine
run      libc6-dev         the C library's headers
run      pkgconf           tells where the libraries are
run      libuv1-dev        the event loop
run      libluajit-5.1-dev runs the workflows
run      luajit            compiles the modules in Lua into the program
run      libsqlite3-dev    the embedded database
run      libpq-dev         speaks to PostgreSQL
run      libssl-dev        hears of a failed COPY under TLS
run      libjansson-dev    JSON of the control socket
run      lua-cjson         JSON in workflows
test     libcmocka-dev     the specs in C
test     lua-busted        the specs in Lua
test     postgresql-15     a real PostgreSQL, started and stopped by the specs
test     openssl           certificates for its TLS
test     man-db            reads the manual pages
test     ccache            compiles once what several builds have in common
test     patch             plants bugs that the simulation must find
test     spin              checks the model of the ledger
lint     clang-format      layout of the C files
lint     clang-tidy        looks for mistakes in C
lint     cppcheck          looks for other mistakes in C
lint     lua-check         looks for mistakes in Lua
bench    postgresql-15     a server to measure against, and pgbench, the peer
bench    sqlite3           the peer of the embedded database
deb      dpkg-dev          computes what the packages depend on
deb      lintian           looks for mistakes in them
deb      mmdebstrap        a clean Debian to try them on
coverage gcovr             counts the lines that the specs ran
END
}

# The rows "package what for" of the groups, each package once.
wanted() {
    packages | awk -v groups=" $groups " '
        index(groups, " " $1 " ") && !seen[$2]++ { sub(/^[^ ]+ +/, ""); print }'
}

missing() {
    # shellcheck disable=SC2046
    here=$(dpkg-query -W -f='${db:Status-Status}:${Package} ' $(wanted | awk '{ print $1 }') 2>/dev/null) || true
    wanted | awk -v here=" $here" '!index(here, " installed:" $1 " ")'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    [ "$mode" = install ] && command -v apt-get >/dev/null &&
        { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# Debian starts a server of its own with the package postgresql-15. Nobody asked for one, so it is told not to
# for the time of this installation, unless there is a word about it already.
no_server_of_its_own=/etc/postgresql-common/createcluster.d/nebula-setup.conf
quieten_postgresql() {
    case "$1" in *postgresql-*) ;; *) return 0 ;; esac
    as_root mkdir -p "${no_server_of_its_own%/*}"
    echo 'create_main_cluster = false' | as_root tee "$no_server_of_its_own" >/dev/null
    trap 'as_root rm -f "$no_server_of_its_own"' EXIT
}

install() {
    quieten_postgresql "$1"
    # shellcheck disable=SC2086
    as_root apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
            -o Dpkg::Use-Pty=0 --no-install-recommends install $1 >build/log/setup.log 2>&1 </dev/null
}

mode=install
[ "${1:-}" != --check ] || { mode=check; shift; }
groups="$*"
if ! command -v dpkg-query >/dev/null; then
    [ "$mode" = install ] || exit 0
    echo "This is not a Debian system, so nothing can be installed by name. Needed is what these packages hold:" >&2
    wanted | sed 's/^/  /' >&2
    exit 2
fi

rows=$(missing)
[ -n "$rows" ] || exit 0
names=$(echo "$rows" | awk '{ printf "%s%s", sep, $1; sep = " " }')
echo "Packages that are not here yet:" >&2
echo "$rows" | sed 's/^/  /' >&2

if ! may_install; then
    printf 'Install them with\n  sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "$names" >&2
    exit 2
fi
mkdir -p build/log
echo "Installing them ..." >&2
if ! install "$names"; then
    tail -n 5 build/log/setup.log >&2 || true
    printf 'That did not work (build/log/setup.log). By hand:\n  sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "$names" >&2
    exit 2
fi
