#!/bin/sh
# diff.sh BASE [PREFIX] - is this tree slower than revision BASE? Run by `make bench-diff BASE=rev [ONLY=prefix]`.
#
# The other revision is built in a work tree of its own, build/diff, which is removed at the end, however that comes.
# Exits with 0 when nothing is worse, 1 when a row is worse beyond the noise, 2 when it could not be measured.
set -u
cd "$(dirname "$0")/.." || exit 2
base=${1:-} prefix=${2:-} place=build/diff

fail() {
    echo "bench-diff: $*" >&2
    exit 2
}

[ -n "$base" ] || fail "which revision? make bench-diff BASE=rev"
revision=$(git rev-parse --verify --quiet "$base^{commit}") || fail "there is no revision $base"
[ ! -e "$place" ] || fail "$place is there: another one runs, or was killed; remove it with: git worktree remove --force $place"

trap 'git worktree remove --force "$place" >/dev/null 2>&1; rm -rf "$place"; git worktree prune' EXIT
trap 'exit 2' INT TERM HUP
mkdir -p build
git worktree add --quiet --detach "$place" "$revision" || fail "no work tree for $base"
echo "bench-diff: building $(git log -1 --format='%h %s' "$revision")" >&2
make --no-print-directory -s -C "$place" BUILD=build all bench-built >build/diff.log 2>&1 ||
    fail "$base does not build, see build/diff.log"
build/nebula-lua bench/diff.lua "$place" "$prefix"
