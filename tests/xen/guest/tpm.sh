# SPDX-License-Identifier: MIT
# What scenarios let a guest do with its TPM, through the stock driver and TrouSerS. Sourced by the agent.
# Every function that observes prints `== NAME` before each thing it saw, for `seen` in dom0.
sysfs=/sys/class/tpm/tpm0

section() { echo "== $1"; }

# device_appears DEVICE [SECONDS]
device_appears() {
  tries=$((${2:-60} * 5))
  until [ -e "$1" ]; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.2
  done
}
device_vanishes() {
  tries=$((${2:-60} * 5))
  while [ -e "$1" ]; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.2
  done
}

# observe: all that sysfs shows, and what the kernel said. An owned TPM gives its PUBEK to the owner alone.
observe() {
  device_appears /dev/tpm0 || echo "no /dev/tpm0"
  pubek=pubek
  [ "$(cat $sysfs/owned)" = 0 ] || pubek=
  for name in caps timeouts durations $pubek enabled active owned pcrs; do
    section "$name"
    cat "$sysfs/$name"
  done
  section dmesg
  dmesg | grep -iE 'tpm|vtpm'
}

# raw HEX: one command to the device, the answer in hex.
raw() {
  exec 3<>/dev/tpm0
  echo "$1" | xxd -r -p >&3
  dd bs=4096 count=1 <&3 2>/dev/null | xxd -p | tr -d '\n'
  echo
  exec 3>&-
}

# extend INDEX DIGEST: TPM_Extend.
extend() { raw "00c10000002200000014$(printf %08x "$1")$2"; }

pcrs() { section pcrs; cat "$sysfs/pcrs"; }

# Nothing may be open on the device when it is given back, so tcsd runs only while it is needed.
start_tss() {
  tcsd -f >/tmp/tcsd.log 2>&1 &
  tss=$!
  tries=50
  until grep -q 'TCSD up and running' /tmp/tcsd.log || netstat -ltn | grep -q ':30003 '; do
    [ $((tries -= 1)) -gt 0 ] || { cat /tmp/tcsd.log; return 1; }
    sleep 0.2
  done
}
stop_tss() { kill "$tss" && wait "$tss"; }

# did NAME COMMAND...: the command's output, and its status as a line of its own.
did() {
  section "$1"
  shift
  "$@"
  echo "status $?"
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
  echo vtpm-0 >/sys/bus/xen/drivers/vtpm/unbind
  did rmmod rmmod xen-tpmfront
  section between
  ls /dev/tpm0 2>/dev/null
  did insmod insmod /modules/xen-tpmfront.ko
  device_appears /dev/tpm0
  pcrs
}
