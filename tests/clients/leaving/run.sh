#!/bin/bash
# SPDX-License-Identifier: MIT
# From swtpm to a vTPM: run.sh BUILD, in dom0 of a loopback machine. TrouSerS and its tools use a TPM of swtpm, which is
# taken over, and go on with the vTPM of a guest. TAP on standard output; KEEP=1 leaves the files.
set -u -o pipefail
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/../xen/lib/tap.sh"
patience=60
. "$here/machine.sh"
cd "$work" || exit 1
swtpm_pid=
stop_first() { :; }
pids=
finish_all() {
  [ -z "${domain-}" ] || "$build/bin/xen-loopback" domain destroy "$domain"
  for pid in $pids $swtpm_pid; do kill "$pid" 2>/dev/null; done
  wait
  swtpm_pid=
  clean_up
}
trap finish_all EXIT

vtpmctl() { "$build/bin/vtpmctl" --runtime-dir "$work/run" "$@"; }
answers() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_swtpm [KEY]
start_swtpm() {
  port=$("$build/test/raw_client" free-port)
  control=$("$build/test/raw_client" free-port)
  swtpm socket --tpmstate dir="$work/swtpm" --server type=tcp,port="$port" --ctrl type=tcp,port="$control" \
    --flags not-need-init,startup-clear ${1:+--key "$1"} >>"$work/swtpm.log" 2>&1 &
  swtpm_pid=$!
  eventually answers "$control" || { cat "$work/swtpm.log" >&2 && exit 1; }
  tpm=tcp:127.0.0.1:$port
}
stop_swtpm() {
  kill "$swtpm_pid"
  wait "$swtpm_pid"
  swtpm_pid=
}

start_host() {
  "$build/bin/vtpm-managerd" --foreground --state-dir "$work/state" --runtime-dir "$work/run" 2>"$work/manager.log" &
  pids="$pids $!"
  eventually test -S "$work/run/control.sock"
}

# A guest with that instance; $tpm becomes where its frontend listens.
start_guest() {
  domain=$("$build/bin/xen-loopback" domain create --name guest --vtpm "backend=0,uuid=$1")
  port=$("$build/test/raw_client" free-port)
  "$build/bin/xen-loopback" exec "$domain" -- "$build/bin/vtpm-frontend" --listen "tcp:127.0.0.1:$port" \
    2>"$work/frontend.log" &
  pids="$pids $!"
  eventually grep -q "listening on tcp:127.0.0.1:$port" "$work/frontend.log" || {
    cat "$work/manager.log" "$work/frontend.log" >&2 && exit 1
  }
  tpm=tcp:127.0.0.1:$port
}

minimal_der() { { printf '\060\202\001\052\002\001\001\002\001\002\002\002\001\034' && tail -c +17 "$1"; } >"$2"; }
ek_modulus() { tool tpm_getpubek "$@" | sed -n '/Public Key:/,$p' | sed -n '/^\t[0-9a-f]/p' | tr -d '\t '; }

index=0x00011110
test_use_swtpm() {
  mkdir "$work/swtpm"
  start_swtpm
  start_tcsd
  check "swtpm: tpm_createek" tool tpm_createek
  check "swtpm: tpm_takeownership" tool tpm_takeownership -y -z
  endorsement=$(ek_modulus -z)
  head -c 100 /dev/urandom >"$work/secret"
  check "swtpm: tpm_sealdata" tool tpm_sealdata -z -i "$work/secret" -o "$work/sealed"
  check "swtpm: tpm_sealdata to PCR 10" tool tpm_sealdata -z -p 10 -i "$work/secret" -o "$work/sealed_pcr"
  printf 'sixteen bytes it' >"$work/area"
  check "swtpm: tpm_nvdefine" tool tpm_nvdefine -y -i $index -s 16 -p 'OWNERREAD|OWNERWRITE'
  check "swtpm: tpm_nvwrite" tool tpm_nvwrite -z -i $index -s 16 -f "$work/area"
  tool tpm_mkuuid "$work/uuid"
  check "swtpm: tpm_mkaik" tool tpm_mkaik -z "$work/aik" "$work/aik.tss"
  minimal_der "$work/aik.tss" "$work/aik.pub"
  check "swtpm: tpm_loadkey" tool tpm_loadkey "$work/aik" "$work/uuid"
  tool tpm_getpcrhash "$work/uuid" "$work/hash" "$work/values" 0 10
  head -c 20 /dev/urandom >"$work/nonce"
  check "swtpm: tpm_getquote" tool tpm_getquote "$work/uuid" "$work/nonce" "$work/quote" 0 10
  stop_tcsd
  counted=$(raw count 3)
  counter=${counted%%:*}
  value=$(raw count-on "$counter")
}

test_import() {
  start_host
  denied "a state that swtpm uses is refused" 'swtpm is running' vtpmctl import --swtpm "$work/swtpm" --yes
  stop_swtpm
  before=$(sha1sum "$work/swtpm"/tpm-00.*)
  says "without --yes it is only said what would go along" 'nothing has been done yet' vtpmctl import --swtpm "$work/swtpm"
  equal "there is no instance then" "$(vtpmctl --json list | grep -c '"uuid"')" 0
  says "the owner is among it" 'owner and storage root key' vtpmctl import --swtpm "$work/swtpm"
  says "and what is not" 'contexts saved by TPM_SaveContext' vtpmctl import --swtpm "$work/swtpm"
  instance=01234567-89ab-4def-8123-456789abcdef
  says "with --yes it is taken over" "instance $instance" \
    vtpmctl import --swtpm "$work/swtpm" --uuid $instance --label 'left swtpm' --yes
  denied "once" 'this uuid' vtpmctl import --swtpm "$work/swtpm" --uuid $instance --yes
  says "its history begins with that" 'imported.*a state of swtpm' vtpmctl show --history $instance
  equal "the directory is as it was" "$(sha1sum "$work/swtpm"/tpm-00.*)" "$before"
}

test_go_on() {
  start_guest $instance
  equal "the counter counts on" "$(raw count-on "$counter")" "$((value + 1))"
  start_tcsd
  denied "there is an owner" '0x00000014|0x00000008' tool tpm_takeownership -y -z
  equal "the endorsement key is the same" "$(ek_modulus -z)" "$endorsement"
  says "and known to the host" 'BEGIN CERTIFICATE' vtpmctl show --ek $instance
  tool tpm_unsealdata -z -i "$work/sealed" -o "$work/opened"
  check "what was sealed with swtpm opens" cmp "$work/secret" "$work/opened"
  tool tpm_unsealdata -z -i "$work/sealed_pcr" -o "$work/opened_pcr"
  check "what was sealed to a PCR opens, which is as it was" cmp "$work/secret" "$work/opened_pcr"
  check "tpm_nvread reads the area" tool tpm_nvread -z -i $index -s 16 -f "$work/area_read"
  check "which has the same bytes" cmp "$work/area" "$work/area_read"
  check "the registered identity key quotes" tool tpm_getquote "$work/uuid" "$work/nonce" "$work/quote2" 0 10
  check "and the quote verifies with what was known before" \
    tool tpm_verifyquote "$work/aik.pub" "$work/hash" "$work/nonce" "$work/quote2"
  check "the owner makes another identity" tool tpm_mkaik -z "$work/aik2" "$work/aik2.tss"
  stop_tcsd
}

# encrypted KEY-OPTION-OF-SWTPM NAME OPTION...
encrypted() {
  rm -rf "$work/swtpm"
  mkdir "$work/swtpm"
  start_swtpm "$1"
  raw make-ek >/dev/null
  stop_swtpm
  name=$2
  shift 2
  says "$name opens" 'endorsement key, RSA of 2048 bits' vtpmctl import --swtpm "$work/swtpm" "$@"
}
test_encrypted() {
  printf '%032d' 7 >"$work/key128"
  printf '%064d' 7 >"$work/key256"
  head -c 16 /dev/urandom >"$work/binary"
  printf 'a long password' >"$work/password"
  printf 'another password' >"$work/other"
  encrypted "file=$work/key128,format=hex,mode=aes-cbc" "a state with a key of 128 bits" --key "$work/key128"
  denied "another key does not" 'does not open' vtpmctl import --swtpm "$work/swtpm" --key "$work/binary" --key-format binary
  denied "none does not" 'is encrypted' vtpmctl import --swtpm "$work/swtpm"
  denied "one of another length does not" '128 bits' vtpmctl import --swtpm "$work/swtpm" --key "$work/key256"
  encrypted "file=$work/key256,format=hex,mode=aes-256-cbc" "one of 256 bits" --key "$work/key256"
  encrypted "file=$work/binary,format=binary,mode=aes-cbc" "a binary key" --key "$work/binary" --key-format binary
  encrypted "pwdfile=$work/password,mode=aes-cbc,kdf=pbkdf2" "a password" --pwdfile "$work/password"
  denied "another password does not" 'does not open' vtpmctl import --swtpm "$work/swtpm" --pwdfile "$work/other"
  encrypted "pwdfile=$work/password,mode=aes-256-cbc,kdf=sha512" "a password by SHA-512" --pwdfile "$work/password" --kdf sha512
}

test_refusals() {
  rm -rf "$work/swtpm" && mkdir "$work/swtpm"
  denied "an empty directory is refused" 'tpm-00.permall: No such file' vtpmctl import --swtpm "$work/swtpm"
  echo anything >"$work/swtpm/tpm2-00.permall"
  denied "a TPM 2.0 is refused" 'TPM 2.0' vtpmctl import --swtpm "$work/swtpm"
  head -c 3000 /dev/urandom >"$work/swtpm/tpm-00.permall"
  denied "what is no state is refused" 'not a state of swtpm' vtpmctl import --swtpm "$work/swtpm" --yes
}

if [ "$(id -u)" != 0 ]; then
  pass "TrouSerS and its tools # SKIP tcsd changes its user, which only root may"
  finish
fi
make_tcsd_files
for part in use_swtpm import go_on encrypted refusals; do "test_$part"; done
finish
