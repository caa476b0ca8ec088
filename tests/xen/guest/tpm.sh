# SPDX-License-Identifier: MIT
# What scenarios let a guest do with its TPM, through the stock driver and TrouSerS. Sourced by the agent.
# Every function that observes prints `== NAME` before each thing it saw, for `seen` in dom0.

# the_tpm: names the guest's TPM. A restored guest's has another number than it had before.
the_tpm() {
  for sysfs in /sys/class/tpm/tpm*; do break; done
  device=/dev/${sysfs##*/}
}

section() { echo "== $1"; }

# eventually COMMAND...: dom0 gives up later than this.
eventually() {
  tries=2500
  until "$@"; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.2
  done
}
device_appears() { eventually [ -e "$1" ]; }
device_vanishes() { eventually [ ! -e "$1" ]; }

# observe: all that sysfs shows, and what the kernel said. An owned TPM gives its PUBEK to the owner alone.
observe() {
  device_appears /dev/tpm0 || echo "no /dev/tpm0"
  the_tpm
  pubek=pubek
  [ "$(cat $sysfs/owned)" = 0 ] || pubek=
  for name in caps timeouts durations $pubek enabled active owned pcrs; do
    section "$name"
    cat "$sysfs/$name"
  done
  complaints
}

# complaints: what the kernel has said about TPMs since init loaded the driver. Of a healthy one it says nothing.
complaints() {
  section complaints
  dmesg | awk '/rig: the driver/ { seen = 1; next } seen && tolower($0) ~ /tpm/; END { if (!seen) print "no mark" }'
}

# raw HEX: one command to the device, the answer in hex.
raw() {
  the_tpm
  exec 3<>"$device"
  echo "$1" | xxd -r -p >&3
  dd bs=4096 count=1 <&3 2>/dev/null | xxd -p | tr -d '\n'
  echo
  exec 3>&-
}

# extend INDEX DIGEST: TPM_Extend.
extend() { raw "00c10000002200000014$(printf %08x "$1")$2"; }

pcrs() { the_tpm; section pcrs; cat "$sysfs/pcrs"; }

# Nothing may be open on the device when it is given back, so tcsd runs only while it is needed.
start_tss() {
  tcsd -f >/tmp/tcsd.log 2>&1 &
  tss=$!
  eventually tss_listens || { cat /tmp/tcsd.log; return 1; }
}
# 7533 is 30003, tcsd's port, as the kernel writes it; 0A is the state of a socket that listens.
tss_listens() { grep -q ':7533 [0-9A-F]*:0000 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null; }
stop_tss() { kill "$tss" && wait "$tss"; }

# did NAME COMMAND...: the command's output, and its status as a line of its own.
did() {
  section "$1"
  shift
  "$@"
  echo "status $?"
}

# endorsement AUTHORITY: the certificate in NV as tpm_nvread gives it, verified under the authority's, whose PEM comes in
# base64; and with one bit of its signature turned, which must not verify.
endorsement() {
  echo "$1" | base64 -d >/tmp/authority.pem
  start_tss || return
  did nvread tpm_nvread -i 0x1000f000 -f /tmp/endorsement.nv
  stop_tss
  section nv_header
  head -c 7 /tmp/endorsement.nv | xxd -p
  section nv_size
  wc -c </tmp/endorsement.nv
  tail -c +8 /tmp/endorsement.nv >/tmp/endorsement.der
  xxd -p /tmp/endorsement.der | tr -d '\n' | sed -e 's/[0-7]$/f/' -e t -e 's/.$/0/' | xxd -r -p >/tmp/forged.der
  openssl x509 -inform DER -in /tmp/endorsement.der -out /tmp/endorsement.pem
  openssl x509 -inform DER -in /tmp/forged.der -out /tmp/forged.pem
  did certified openssl verify -CAfile /tmp/authority.pem /tmp/endorsement.pem
  did certified_forged openssl verify -CAfile /tmp/authority.pem /tmp/forged.pem
  section certificate
  cat /tmp/endorsement.pem
  section certified_modulus
  openssl x509 -in /tmp/endorsement.pem -noout -modulus
  the_tpm
  section pubek
  cat "$sysfs/pubek"
}

# identity: made, certified by a privacy CA, activated; after `endorsement` and `own_and_seal`.
identity() {
  start_tss || return
  did identity /usr/lib/rig/tss_identity /tmp/authority.pem /tmp/endorsement.der
  stop_tss
}

# own_and_seal INDEX DIGEST: ownership, a secret sealed to a PCR, unsealed before and after that PCR is extended.
own_and_seal() {
  start_tss || return
  did own tpm_takeownership -y -z
  echo 'what nobody else may read' >/tmp/secret
  did seal tpm_sealdata -z -p "$1" -i /tmp/secret -o /tmp/sealed
  did unseal tpm_unsealdata -z -i /tmp/sealed -o /tmp/unsealed
  did same cmp /tmp/secret /tmp/unsealed
  did leaks grep -c 'nobody else' /tmp/sealed
  did tss_quote /usr/lib/rig/tss_quote 00112233445566778899aabbccddeeff01234567 /tmp "$1" 16
  stop_tss
  pcrs
  for file in modulus quote signature; do
    section "$file"
    xxd -p "/tmp/$file" | tr -d '\n'
    echo
  done
  verify_quote
  section extended
  extend "$1" "$2"
  start_tss || return
  did unseal_changed tpm_unsealdata -z -i /tmp/sealed -o /tmp/unsealed2
  stop_tss
}

# verify_quote: by OpenSSL alone. A public key in DER from the modulus, then the signature over the quoted structure; and the
# same with one bit of the structure turned, which must not verify.
verify_quote() {
  cat >/tmp/key.cnf <<CONFIG
asn1 = SEQUENCE:info
[info]
algorithm = SEQUENCE:algorithm
key = BITWRAP,SEQUENCE:rsa
[algorithm]
oid = OID:rsaEncryption
parameters = NULL
[rsa]
modulus = INTEGER:0x$(xxd -p /tmp/modulus | tr -d '\n')
exponent = INTEGER:0x010001
CONFIG
  openssl asn1parse -genconf /tmp/key.cnf -noout -out /tmp/key.der
  openssl pkey -pubin -inform DER -in /tmp/key.der -out /tmp/key.pem
  did verify openssl dgst -sha1 -verify /tmp/key.pem -signature /tmp/signature /tmp/quote
  xxd -p /tmp/quote | tr -d '\n' | sed 's/..$/ff/' | xxd -r -p >/tmp/forged
  did verify_forged openssl dgst -sha1 -verify /tmp/key.pem -signature /tmp/signature /tmp/forged
}

# reload_driver: the stock driver out and in again. A device that is bound holds its module.
reload_driver() {
  unbind_driver
  did rmmod rmmod xen-tpmfront
  section between
  ls /dev/tpm0 2>/dev/null
  did insmod insmod /modules/xen-tpmfront.ko
  device_appears /dev/tpm0
  pcrs
}

unbind_driver() {
  if [ -e /sys/bus/xen/drivers/vtpm/vtpm-0 ]; then echo vtpm-0 >/sys/bus/xen/drivers/vtpm/unbind; fi
}
bind_driver() {
  echo vtpm-0 >/sys/bus/xen/drivers/vtpm/bind
  eventually tpm_there
}
tpm_there() { the_tpm; [ -e "$device" ]; }

# spoil NODE VALUE: offers a ring with one node that is rubbish.
spoil() {
  set -- ring-ref 8 event-channel 8 feature-protocol-v2 1 "$@"
  while [ $# -gt 0 ]; do
    xenstore-write "device/vtpm/0/$1" "$2"
    shift 2
  done
  [ "$(xenstore-read device/vtpm/0/state)" != 6 ] || xenstore-write device/vtpm/0/state 3
}

# busy TIMES INDEX DIGEST: extends without a pause.
busy() {
  times=$1
  while [ "$times" -gt 0 ]; do
    extend "$2" "$3" >/dev/null
    times=$((times - 1))
  done
}
