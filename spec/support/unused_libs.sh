#!/bin/sh
# unused_libs.sh PROGRAM PACKAGE... - fails when a package that the program is linked with is not used by it.
#
# The linker drops what is not used (--as-needed), so what is missing among the needed ones was asked for in vain.
set -eu
program=$1
shift
needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[lib\([^]]*\)\.so.*/\1/p')
status=0
for library in $(pkg-config --libs-only-l "$@"); do
    case $library in -lpthread | -ldl | -lrt) continue ;; esac # in the C library itself since glibc 2.34
    echo "$needed" | grep -qx -- "${library#-l}" || {
        echo "$program: linked with $library and does not use it"
        status=1
    }
done
exit $status
