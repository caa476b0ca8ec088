#!/bin/sh
# SPDX-License-Identifier: MIT
# make-deb.sh TREE PACKAGE VERSION: the installed TREE as a Debian package.
set -eu
umask 022
tree=$1 package=$2 version=$3
here=$(dirname "$0")/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian" && : >"$work/debian/control"
programs=$(cd "$tree" && find "$PWD/usr/sbin" "$PWD/usr/libexec" -type f)
strip --strip-unneeded $programs
depends=$(cd "$work" && dpkg-shlibdeps -O $programs 2>"$work/warnings" | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { cat "$work/warnings" >&2; exit 1; }
rm -rf "$tree/DEBIAN" && mkdir "$tree/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCH@/$(dpkg --print-architecture)/; s/@DEPENDS@/$depends, kmod, util-linux/
  s/@SIZE@/$(du -sk --exclude=DEBIAN "$tree" | cut -f1)/" "$here/control" >"$tree/DEBIAN/control"
install -m 644 "$here/conffiles" "$tree/DEBIAN"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN"
(cd "$tree" && find usr -type f -exec md5sum {} +) >"$tree/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zgzip --build "$tree" "$package" >/dev/null
