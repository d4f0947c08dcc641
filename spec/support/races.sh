# races.sh - for specs in sh that have one in C run under the thread sanitizer, compiled with what it needs and nothing else:
# not under coverage, not under asan. Sourced behind verdict.sh. $build is the folder, $log what is said.
mkdir -p "$build"
log=$build/log
export TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/spec/support/tsan.supp"

# NAME SOURCE...: spec/core/NAME.c, which prints what it did behind a #.
races() {
    name=$1
    shift
    # shellcheck disable=SC2046
    if ! gcc -std=c11 -D_GNU_SOURCE -Iengine -O1 -g -fsanitize=thread -fno-omit-frame-pointer -pthread \
        -o "$build/$name" "spec/core/$name.c" engine/base/*.c "$@" $(pkg-config --cflags --libs libuv cmocka) -lm >"$log" 2>&1; then
        verdict "not ok" "$name does not build: $(head -n 1 "$log")"
    elif "$build/$name" >"$log" 2>&1; then
        verdict ok "$name: $(sed -n 's/^# //p' "$log" | tail -n 1)"
    else
        verdict "not ok" "$name: $(grep -m 1 -E 'WARNING|CHECK|ERROR|error' "$log"), see $log"
    fi
}
