# verdict.sh - for specs in sh that speak TAP: verdict ok|"not ok" TEXT says what came of one thing. Sourced; afterwards
# $number is how many there were, and $failed is 1 if one of them failed.
number=0 failed=0
verdict() {
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || failed=1
}
