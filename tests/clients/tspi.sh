# SPDX-License-Identifier: MIT
# Two TPMs, each behind a tcsd of its own, and tests/clients/tspi. Sourced by run.sh.
first_tpm_pid=
first_tcsd_pid=

stop_first() {
  [ -z "$first_tcsd_pid" ] || { tcsd_pid=$first_tcsd_pid && stop_tcsd; }
  [ -z "$first_tpm_pid" ] || { tpm_pid=$first_tpm_pid && stop_tpm; }
  first_tcsd_pid= first_tpm_pid=
}

# owned_tpm NAME OPTION...
owned_tpm() {
  owned_name=$1
  shift
  rm -rf "$work/keys"
  make_tcsd_files
  start_tpm tcp:127.0.0.1:0 "$@"
  start_tcsd
  check "$owned_name is owned" tool tpm_takeownership -y -z
}

make_authority() {
  openssl genpkey -quiet -algorithm RSA -out "$work/maker.key"
  openssl req -x509 -key "$work/maker.key" -out "$work/maker.crt" -days 2 -subj /CN=maker -addext keyUsage=critical,keyCertSign
}

# The certificate of the endorsement key, in NV as the maker left it.
read_certificate() {
  check "tpm_nvread reads the certificate of the endorsement key" \
    tool tpm_nvread -i 0x1000f000 -f "$work/endorsement.nv"
  tail -c +8 "$work/endorsement.nv" >"$work/endorsement.der"
  openssl x509 -inform DER -in "$work/endorsement.der" -out "$work/endorsement.pem"
  says "which its maker has certified" ': OK$' openssl verify -CAfile "$work/maker.crt" "$work/endorsement.pem"
  equal "it is of this key" "$(openssl x509 -in "$work/endorsement.pem" -noout -modulus | sed 's/Modulus=//' | tr A-F a-f)" \
    "$(ek_modulus -z | tr -d '\n')"
}

# A counter, which libtspi cannot make.
make_counter() {
  stop_tcsd
  counted=$(raw count 3)
  equal "a counter counts by one and becomes the active one" "$counted" "1: +1 +2 +3 read +3 74657374, active 1"
  start_tcsd
}

# What the owner of the first TPM has delegated.
use_delegation() {
  tcsd_pid=$first_tcsd_pid && stop_tcsd
  first_tcsd_pid=
  tpm=$first_tpm
  equal "the delegated secret reads the storage root key, another does not, and neither does more" \
    "$(raw delegated "$work/delegation" | tr '\n' ';')" "256 bytes, the same by the row;code 1;code 1;"
}

# Direct anonymous attestation, which libtspi has not.
attest_anonymously() {
  equal "the TPM joins an issuer and signs anonymously; the signature is for its message alone" "$(raw daa)" \
    "accepted, another refused"
}

# By way of an authority's key, which libtspi cannot use. Both TPMs are without a tcsd.
migrate_by_authority() {
  equal "a key migrates by way of an authority in the other TPM, and not past it" \
    "$(raw migrate "$second_tpm" | tr '\n' ';')" "without the authority: code 33;with it: signs;"
}

test_tspi() {
  make_authority
  owned_tpm "the first TPM" --ca-certificate "$work/maker.crt" --ca-key "$work/maker.key"
  read_certificate
  make_counter
  first_tpm=$tpm first_tpm_pid=$tpm_pid first_tcsd_pid=$tcsd_pid first_port=$TSS_TCSD_PORT
  tpm_pid= tcsd_pid=
  owned_tpm "the second TPM"
  timeout 60 "$build/test/tspi" "$first_port" "$TSS_TCSD_PORT" "$work/delegation" "${counted%%:*}" "$work/maker.key" "$work/endorsement.der" \
    >"$work/tspi.out" 2>"$work/tspi.err"
  equal "the program on libtspi came to its end" "status $?, $(tail -n 1 "$work/tspi.out")" "status 0, done"
  while read -r verdict text; do
    case $verdict in
      ok) pass "tspi: $text" ;;
      bad) fail "tspi: $text" ;;
    esac
  done <"$work/tspi.out"
  stop_tcsd
  second_tpm=$tpm
  use_delegation
  attest_anonymously
  migrate_by_authority
  stop_tpm
  stop_first
}
