#!/bin/sh
# deb_try.sh FOLDER - installs the packages in FOLDER on a Debian 12 that has nothing else, and runs them there. As root,
# with mmdebstrap; the system lies in a temporary folder and is gone afterwards.
set -eu
debs=$(ls "$1"/nebula-resource_*.deb "$1"/nebula-resource-dev_*.deb)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mmdebstrap --quiet --variant=minbase --mode=root bookworm "$root"
for deb in $debs; do cp "$deb" "$root/tmp/"; done
mkdir -p "$root/tmp/job/resources"
echo 'sqlite "shop" { file = "shop.db" }' >"$root/tmp/job/resources/shop.lua"
echo 'print(use "shop":value "select 40 + 2", json.encode { 1 })' >"$root/tmp/job/flow.lua"

# With a /proc that is gone when the command is: nothing is ever removed with it mounted.
inside() {
    unshare --mount sh -euc 'mount -t proc proc "$1/proc"
        exec chroot "$1" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$2"' sh "$root" "$1"
}
inside 'apt-get -qq update; apt-get -qq -y --no-install-recommends install /tmp/nebula-resource_*.deb >/tmp/log 2>&1 ||
    { cat /tmp/log; exit 1; }
    nebula version; cd /tmp/job; nebula check; nebula run flow.lua'
inside 'apt-get -qq -y --no-install-recommends install /tmp/nebula-resource-dev_*.deb gcc libc6-dev pkgconf >/tmp/log 2>&1 ||
    { cat /tmp/log; exit 1; }
    cd /tmp; for one in blocking epoll; do
        gcc /usr/share/doc/nebula-resource-dev/examples/$one.c $(pkg-config --cflags --libs nebula) -o $one; ./$one
    done'
inside 'apt-get -qq -y purge nebula-resource nebula-resource-dev >/tmp/log 2>&1
    ! find / -xdev -name "*nebula*" -not -path "/tmp/*" -not -path "/proc/*" -not -path "/var/*" | grep .'
echo "installed, run and removed on a clean Debian 12"
