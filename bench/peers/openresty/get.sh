#!/bin/sh
# get.sh - nginx with its Lua module, out of the distribution's packages into this folder and nowhere else: nothing of it is
# installed, so no server starts by itself.
set -eu
mkdir packages
cd packages
apt-get download -qq nginx libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core lua-resty-lrucache libluajit2-5.1-2
for package in *.deb; do dpkg -x "$package" ..; done
