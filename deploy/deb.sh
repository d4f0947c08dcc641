#!/bin/sh
# deb.sh ROOT OUT - makes the packages nebula-resource and nebula-resource-dev of what was installed in ROOT, in OUT.
#
# Debian has another program called nebula, so the package is not, and both cannot be there at once. What a package needs
# is computed by dpkg-shlibdeps from what is in it. For make, which sets VERSION and ABI.
set -eu
umask 022
root=$1 out=$2
here=$(dirname "$0")
arch=$(dpkg --print-architecture)
libdir=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
maintainer=${DEB_MAINTAINER:-$(git log -1 --format='%an <%ae>' 2>/dev/null || echo 'nebula <root@localhost>')}
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
run=$out/nebula-resource dev=$out/nebula-resource-dev
rm -rf "$run" "$dev" "$out/debian"
mkdir -p "$run/DEBIAN" "$dev/DEBIAN" "$out/debian"

# What only compilers want is the second package's.
cp -a "$root/usr" "$run/"
rm -f "$run/usr/share/nebula/installed"
for path in usr/include "$libdir/pkgconfig" "$libdir/libnebula.a" "$libdir/libnebula.so"; do
    mkdir -p "$dev/${path%/*}"
    mv "$run/$path" "$dev/$path"
done
# Where Debian has them.
mkdir -p "$run/usr/share/zsh/vendor-completions"
mv "$run/usr/share/zsh/site-functions/_nebula" "$run/usr/share/zsh/vendor-completions/"
rmdir "$run/usr/share/zsh/site-functions"
gzip -9n "$run"/usr/share/man/man*/*
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$run/usr/bin/nebula" \
    "$run/$libdir/libnebula.so.$VERSION" "$run"/usr/lib/nebula/*.so
strip --strip-debug "$dev/$libdir/libnebula.a"

documents() {
    doc=$2/usr/share/doc/$1
    mkdir -p "$doc"
    cat >"$doc/copyright" <<END
nebula

Copyright: $(date -ud "@$SOURCE_DATE_EPOCH" +%Y) the authors of nebula

The sources come without a licence: all rights are their authors'.
END
    printf 'nebula-resource (%s) unstable; urgency=medium\n\n  * This version.\n\n -- %s  %s\n' "$VERSION" \
        "$maintainer" "$(date -Rud "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
}
documents nebula-resource "$run"
documents nebula-resource-dev "$dev"
cp "$here/../docs/embedding.md" "$here/../docs/driver.md" "$dev/usr/share/doc/nebula-resource-dev/"
mkdir -p "$dev/usr/share/doc/nebula-resource-dev/examples"
cp -r "$here/../examples/c/." "$dev/usr/share/doc/nebula-resource-dev/examples/"

printf 'Source: nebula-resource\n\nPackage: nebula-resource\nArchitecture: any\n' >"$out/debian/control"
needs=$(cd "$out" && dpkg-shlibdeps --ignore-missing-info -O nebula-resource/usr/bin/nebula \
    "nebula-resource/$libdir/libnebula.so.$VERSION" nebula-resource/usr/lib/nebula/*.so 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')

control() {
    printf 'Package: %s\nSource: nebula-resource\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %s\n' \
        "$1" "$VERSION" "$arch" "$maintainer" "$(du -sk --exclude=DEBIAN "$2" | cut -f 1)"
    cat
}
control nebula-resource "$run" >"$run/DEBIAN/control" <<END
Depends: $needs, lua-cjson
Conflicts: nebula
Section: database
Priority: optional
Description: pools of connections to databases, for workflows in Lua
 nebula owns the outside things a program depends on: it opens, pools, checks,
 cleans and closes their connections, and knows of every call whether the server
 certainly did it, certainly did not, or may have.
 .
 This package has the program, its manual pages and the shared library. It is
 not the overlay network of the same name.
END
control nebula-resource-dev "$dev" >"$dev/DEBIAN/control" <<END
Depends: nebula-resource (= $VERSION)
Suggests: libuv1-dev, libluajit-5.1-dev, libjansson-dev, libpq-dev, libssl-dev, libsqlite3-dev
Section: libdevel
Priority: optional
Description: pools of connections to databases, for programs in C
 The headers, the archive and the examples of nebula: for programs in C that use
 its pools, and for drivers of one's own. What is suggested is needed by those
 that are linked with the archive.
END
echo "activate-noawait ldconfig" >"$run/DEBIAN/triggers"
echo "libnebula $ABI nebula-resource (>= $VERSION)" >"$run/DEBIAN/shlibs"

# The one package has the library too: who needs it needs its kinds and drivers.
mkdir -p "$run/usr/share/lintian/overrides"
echo "nebula-resource: package-name-doesnt-match-sonames libnebula$ABI" >"$run/usr/share/lintian/overrides/nebula-resource"

for package in "$run" "$dev"; do
    (cd "$package" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build "$package" "$out/${package##*/}_${VERSION}_$arch.deb" >/dev/null
    echo "$out/${package##*/}_${VERSION}_$arch.deb"
done
