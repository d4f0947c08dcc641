#!/bin/sh
# install.sh install|uninstall - puts what was built into PREFIX, and takes it away again. For make, which sets
#
#   BUILD  PREFIX  LIBDIR  VERSION  ABI     and, if it is to lie elsewhere for now, DESTDIR
#
# What was put there is written down, folders that had to be made with a / at their end, in
# PREFIX/share/nebula/installed; uninstall removes exactly that, and folders when they are empty.
set -eu
umask 022
cd "$(dirname "$0")/.."
root=${DESTDIR:-}
share=$PREFIX/share/nebula
list=$root$share/installed

folder() {
    [ -d "$root$1" ] && return
    case $1 in */*/*) folder "${1%/*}" ;; esac
    mkdir "$root$1"
    echo "$1/" >>"$new"
}

# put MODE FILE PLACE
put() {
    folder "${3%/*}"
    install -m "$1" "$2" "$root$3"
    echo "$3" >>"$new"
}

link() {
    ln -sf "$1" "$root$2"
    echo "$2" >>"$new"
}

# In place of the list of an older one, whose files go first.
put_all() {
    put 755 "$BUILD/nebula" "$PREFIX/bin/nebula"
    for driver in "$BUILD"/nebula-*.so; do
        put 644 "$driver" "$PREFIX/lib/nebula/${driver##*/}"
    done
    put 644 "$BUILD/libnebula.so.$VERSION" "$LIBDIR/libnebula.so.$VERSION"
    link "libnebula.so.$VERSION" "$LIBDIR/libnebula.so.$ABI"
    link "libnebula.so.$ABI" "$LIBDIR/libnebula.so"
    put 644 "$BUILD/installed/libnebula.a" "$LIBDIR/libnebula.a"
    put 644 "$BUILD/installed/nebula.pc" "$LIBDIR/pkgconfig/nebula.pc"
    for header in nebula.h nebula_balance.h nebula_driver.h nebula_policy.h; do
        put 644 "engine/$header" "$PREFIX/include/$header"
    done
    for header in nebula.h nebula_balance.h nebula_policy.h; do # LuaJIT reads them
        put 644 "engine/$header" "$share/engine/$header"
    done
    find lua/nebula resources policies -name '*.lua' | sort >"$new.lua"
    while read -r file; do
        put 644 "$file" "$share/$file"
    done <"$new.lua"
    for section in 1 5; do
        put 644 "$BUILD/installed/nebula.$section" "$PREFIX/share/man/man$section/nebula.$section"
    done
    put 644 "$BUILD/installed/nebula.bash" "$PREFIX/share/bash-completion/completions/nebula"
    put 644 "$BUILD/installed/nebula.zsh" "$PREFIX/share/zsh/site-functions/_nebula"
    put 644 "$BUILD/installed/nebula.fish" "$PREFIX/share/fish/vendor_completions.d/nebula.fish"
}

write_pc() {
    cat >"$BUILD/installed/nebula.pc" <<END
prefix=$PREFIX
libdir=$LIBDIR
includedir=\${prefix}/include

Name: nebula
Description: pools of connections to databases, with deadlines and known outcomes
Version: $VERSION
Cflags: -I\${includedir}
Libs: -L\${libdir} -lnebula
Libs.private: $(pkg-config --libs luajit libuv jansson libpq libssl sqlite3) -lm -ldl -pthread
END
}

# From these sources, wherever BUILD lies and whatever is installed.
write_pages() {
    export NEBULA_HOME="$PWD"
    for section in 1 5; do
        "$BUILD/nebula-lua" docs/man.lua "$section" >"$BUILD/installed/nebula.$section"
    done
    for shell in bash zsh fish; do
        "$BUILD/nebula-lua" docs/completions.lua "$shell" >"$BUILD/installed/nebula.$shell"
    done
}

take_away() {
    [ -f "$list" ] || { echo "nebula is not installed in $root$PREFIX" >&2; return 1; }
    cp "$list" "$BUILD/installed/going"
    rm -f "$list"
    sort -r "$BUILD/installed/going" | while read -r path; do
        case $path in
        */) rmdir "$root$path" 2>/dev/null || true ;;
        *) rm -f "$root$path" ;;
        esac
    done
}

mkdir -p "$BUILD/installed" "$root/"
case $1 in
install)
    new=$BUILD/installed/list
    [ ! -f "$list" ] || take_away
    : >"$new"
    write_pc
    write_pages
    put_all
    echo "$share/installed" >>"$new"
    install -m 644 "$new" "$list"
    # What links the library finds it from now on.
    [ -n "$root" ] || [ "$(id -u)" != 0 ] || ldconfig
    ;;
uninstall) take_away ;;
esac
