# tree.sh - for specs in sh that plant mistakes into copies of the engine and let the simulation find them. Sourced, at the
# root of the project; $log is where what is built says what it has to say.

simulate() {
    make --no-print-directory -C "$1" BUILD=build build/spec/sim/seeds_spec >>"$log" 2>&1
}

# FROM TO: a copy with the objects that were compiled in FROM, so that only patched files are to compile.
copy_healthy() {
    mkdir -p "$2/build" && cp -Rp engine spec Makefile "$2" && (cd "$1" &&
        { find engine spec -name '*.[od]'; ls flags libsim.a libsupport.a; } | xargs cp -p --parents -t "$2/build")
}

# HEALTHY TO PATCH: false when the patch does not apply.
copy_with() {
    cp -Rp "$1" "$2" && patch -d "$2" -p1 --no-backup-if-mismatch <"$3" >>"$log" 2>&1
}
