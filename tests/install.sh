#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh PACKAGE: what the Debian package has in it, with which modes, and whether others accept it.
set -eu
package=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "install: $*" >&2; exit 1; }
tree=$scratch/root
dpkg-deb -x "$package" "$tree"
dpkg-deb -e "$package" "$scratch/control"
cat >"$scratch/expected" <<'LIST'
644 /etc/vtpm/vtpm-managerd.conf
644 /usr/lib/systemd/system/vtpm-domwatch.service
644 /usr/lib/systemd/system/vtpm-frontend.service
644 /usr/lib/systemd/system/vtpm-managerd.service
644 /usr/share/bash-completion/completions/vtpmctl
644 /usr/share/man/man8/vtpm-domwatch.8
644 /usr/share/man/man8/vtpm-frontend.8
644 /usr/share/man/man8/vtpm-grantd.8
644 /usr/share/man/man8/vtpm-managerd.8
644 /usr/share/man/man8/vtpm-socketd.8
644 /usr/share/man/man8/vtpmctl.8
755 /etc/init.d/vtpm-managerd
755 /etc/xen/scripts/vtpm
755 /usr/libexec/vtpm/vtpm-convert
755 /usr/libexec/vtpm/vtpm-grantd
755 /usr/libexec/vtpm/vtpm-measure
755 /usr/bin/vtpm-migrate-ssh
755 /usr/libexec/vtpm/vtpmd
755 /usr/sbin/vtpm-domwatch
755 /usr/sbin/vtpm-frontend
755 /usr/sbin/vtpm-managerd
755 /usr/sbin/vtpm-socketd
755 /usr/sbin/vtpmctl
755 /usr/share/vtpm/initramfs-tools/hooks/vtpm
755 /usr/share/vtpm/initramfs-tools/scripts/init-premount/vtpm
LIST
(cd "$tree" && find . -type f -printf '%m /%P\n' | LC_ALL=C sort) >"$scratch/found"
LC_ALL=C sort "$scratch/expected" | diff - "$scratch/found" || fail "other files or modes than expected"
dpkg-deb --contents "$package" | awk '$2 != "root/root" { exit 1 }' || fail "a file is not root's"
for file in "$tree/etc/init.d/vtpm-managerd" "$tree/usr/bin/vtpm-migrate-ssh" "$tree/etc/xen/scripts/vtpm" "$scratch"/control/p* \
  "$tree"/usr/share/vtpm/initramfs-tools/hooks/vtpm; do sh -n "$file" || fail "$file is no shell script"; done
(cd "$tree" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) | diff - "$scratch/control/conffiles" || fail "conffiles"
grep -q '^Depends: .*libxen' "$scratch/control/control" || fail "no dependency on the Xen libraries"
(cd "$tree" && md5sum --quiet -c "$scratch/control/md5sums") || fail "md5sums"
# Every key with its comment taken away is one the manager takes.
sed -n 's/^#\([a-z-]* = .*\)/\1/p' "$tree/etc/vtpm/vtpm-managerd.conf" | grep -v '^runtime-dir\|^foreground' >"$scratch/all.conf"
printf 'runtime-dir = "/proc/none"\nforeground = true\n' >>"$scratch/all.conf"
"$tree/usr/sbin/vtpm-managerd" --config "$scratch/all.conf" >"$scratch/said" 2>&1 && fail "it started on /proc"
grep -q 'cannot use /proc/none' "$scratch/said" || { cat "$scratch/said" >&2; fail "the configuration is not taken"; }
# Against the units of this machine; only the program's place is ours.
if command -v systemd-analyze >/dev/null; then
  for unit in vtpm-managerd.service vtpm-domwatch.service; do
    sed "s,^ExecStart=,&$tree," "$tree/usr/lib/systemd/system/$unit" >"$scratch/$unit"
    systemd-analyze verify --man=no "$scratch/$unit" >"$scratch/verify" 2>&1 ||
      { cat "$scratch/verify" >&2; fail "systemd does not accept $unit"; }
    if grep "${unit%.service}" "$scratch/verify"; then fail "systemd warns of $unit"; fi
  done
fi
echo "install: the package is whole"
