#!/bin/bash
# SPDX-License-Identifier: MIT
# The guests' initrd: busybox, the XenStore client, TrouSerS with its tools, and the stock frontend driver.
. "$here/steps/common.sh"

root=$cache/guest-root
new_root "$root"
install_modules "$root" xen-tpmfront xen-gntalloc xen-evtchn xen-privcmd tpm_vtpm_proxy
install_programs "$root" usr/sbin/tcsd usr/bin/openssl usr/bin/xenstore \
  $(cd "$sysroot" && echo usr/bin/tpm_* usr/sbin/tpm_*)
for client in read write watch ls list exists rm; do
  ln -sf xenstore "$root/usr/bin/xenstore-$client"
done
install -m 755 "$here/guest/init" "$root/init"
mkdir -p "$root/usr/lib/rig" "$root/var/lib/tpm" "$root/usr/lib/ssl"
install -m 755 "$here"/guest/*.sh "$root/usr/lib/rig/"
install -m 644 "$sysroot/etc/ssl/openssl.cnf" "$root/usr/lib/ssl/"
grep -v '^#' "$sysroot/etc/tcsd.conf" >"$root/etc/tcsd.conf" || true
printf 'root:x:0:0:root:/root:/bin/sh\ntss:x:100:100:tss:/var/lib/tpm:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\ntss:x:100:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"

compile guest/tss_quote -ltspi
tests=$here/..
compile guest/tss_identity "$tests"/clients/tspi/{session,openssl,privacy_ca,verify,applicant}.cc "$tests/engine/tpm_client.cc" \
  "-I$tests/.." -Wno-missing-field-initializers -ltspi -lcrypto
compile guest/suspend_self
compile guest/ring_flood -lxenstore -lxengnttab -lxenevtchn
pack "$root" "$cache/guest.cpio"
