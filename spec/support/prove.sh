#!/bin/sh
# prove.sh BUILD - runs the counts that are too long for make test, and remembers what was proved.
#
# A spec that knows a longer count asks for NEBULA_PROVE: the folder where it may keep how far it came. What was proved is
# written down in build/prove/NAME.done and not run again until the program has changed; the log of all
# runs is build/prove/log.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP # what step.sh counts
build=$1
proofs=$build/prove
hours=12
mkdir -p "$proofs"
cd "$(dirname "$0")/../.." || exit 1

say() {
    printf '%s  %s\n' "$(date '+%F %T')" "$*" | tee -a "$proofs/log"
}

# Whether the program, or the spec $2, has changed since $1 was written.
has_changed_since() {
    [ -n "$(find "$build/libnebula.a" lua resources policies "$2" -newer "$1" -print -quit)" ]
}

status=0
for file in $(grep -rl NEBULA_PROVE spec --include='*_spec.c' --include='*_spec.lua' --include='*_spec.sh' | sort); do
    name=$(basename "${file%.*}")
    state=$proofs/$name
    if [ -f "$state.done" ] && ! has_changed_since "$state.done" "$file"; then
        say "$name: proved before"
        continue
    fi
    # What another program has proved counts for nothing.
    if [ ! -f "$state/program" ] || has_changed_since "$state/program" "$file"; then
        rm -rf "$state"
        mkdir -p "$state"
        touch "$state/program"
    fi
    say "$name: begun"
    command=$(sh spec/support/steps.sh "$build" "$(basename "$(dirname "$file")")" |
        awk -v file="$file" 'index($2, file) { $1 = $2 = $3 = ""; print }')
    # shellcheck disable=SC2086
    if answer=$(NEBULA_PROVE=$state LOG=$proofs sh spec/support/step.sh "$name" $((hours * 3600)) $command); then
        case $answer in
        ok*) touch "$state.done" ;;
        *) status=1 ;;
        esac
        say "$answer"
    else
        say "$name: stopped; make prove goes on here"
        exit 1
    fi
done
exit $status
