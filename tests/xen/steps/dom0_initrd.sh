#!/bin/bash
# SPDX-License-Identifier: MIT
# Dom0's base initrd: busybox, the Xen toolstack, the guests' kernel. Our programs and scripts come in a second archive.
. "$here/steps/common.sh"

root=$cache/dom0-root
xen_bin=usr/lib/xen-4.17/bin
new_root "$root"
install_modules "$root" xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs
install_programs "$root" usr/bin/xenstore usr/sbin/xenhypfs \
  $xen_bin/{xl,xenstored,xenconsoled,xenconsole,xen-init-dom0,libxl-save-helper,xenstore-control,xenctx,lsevtchn}
for client in read write watch ls list exists rm chmod; do
  ln -sf xenstore "$root/usr/bin/xenstore-$client"
done
# A package is installed with the real ones. busybox' shell prefers what is built into it, whatever PATH says.
install_programs "$root" usr/bin/{dash,dpkg,dpkg-deb,dpkg-query,dpkg-split,flock,tar} usr/sbin/{start-stop-daemon,ldconfig}
compile dom0/late_boot
compile dom0/crash_hook -shared -fPIC -fvisibility=hidden
mkdir -p "$root"/etc/xen/scripts "$root"/var/lib/xen "$root"/var/log/xen/console "$root"/guest
install -m 644 "$sysroot/etc/xen/xl.conf" "$root/etc/xen/xl.conf"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
ln "$cache/boot/vmlinux" "$root/guest/vmlinux"
pack "$root" "$cache/dom0.cpio"
