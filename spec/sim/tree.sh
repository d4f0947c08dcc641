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

# TREE PATCH: plants the mistake there, and takes it out again. False when it does not apply: then nothing is done.
plant_in() {
    patch -d "$1" -p1 --dry-run <"$2" >>"$log" 2>&1 && patch -d "$1" -p1 --no-backup-if-mismatch <"$2" >>"$log" 2>&1
}
pull_from() {
    patch -d "$1" -p1 -R --no-backup-if-mismatch <"$2" >>"$log" 2>&1
}
