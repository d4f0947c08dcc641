#!/bin/sh
# get.sh FOLDER - nginx with its Lua module, out of the distribution's packages into FOLDER and nowhere else: nothing of it is
# installed, so no server starts by itself.
set -eu
[ ! -x "$1/usr/sbin/nginx" ] || exit 0
rm -rf "$1.new"
mkdir -p "$1.new/packages"
(
    cd "$1.new/packages"
    apt-get download -qq nginx libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core lua-resty-lrucache \
        libluajit2-5.1-2
    for package in *.deb; do dpkg -x "$package" ..; done
)
mv -T "$1.new" "$1"
