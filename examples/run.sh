#!/bin/sh
# run.sh - the main job, as `make run` shows it: import a year of orders, report on it, and look at what it used.
#
# The engine stays up after the workflow, so that ls and inspect have somebody to ask; then it is told to stop.
set -eu
cd "$(dirname "$0")/.."
data=build/run
mkdir -p "$data"
[ -f "$data/orders.tsv" ] || build/nebula run examples/generate.lua "$data"

say() {
    printf '\n$ %s\n' "$*"
}

rm -f "$data/report"
mkfifo "$data/report"
say "build/nebula run examples/import_and_report.lua $data"
SHOP_FILE=$data/shop.db build/nebula run --stay examples/import_and_report.lua "$data" >"$data/report" &
engine=$!
trap 'kill $engine 2>/dev/null || true; rm -f "$data/report"' EXIT

# The report has come to its end with the sums, or with the engine.
exec 3<"$data/report"
while IFS= read -r line <&3; do
    printf '%s\n' "$line"
    case $line in "In all: "*)
        for verb in ls "inspect shop"; do
            say "build/nebula $verb"
            # shellcheck disable=SC2086
            build/nebula $verb
        done
        kill "$engine"
        ;;
    esac
done
wait "$engine"
