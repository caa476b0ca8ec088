# SPDX-License-Identifier: MIT
# What people do with a TPM, by the tools that they do it with. Sourced by run.sh.

ek_modulus() { tool tpm_getpubek "$@" | sed -n '/Public Key:/,$p' | sed -n '/^\t[0-9a-f]/p' | tr -d '\t '; }
pcr_of() { sed -n "s/^$1=//p" "$work/values" | tr A-F a-f; }
srk_of_nobody=0x00000012

test_fresh_tpm() {
  start_tpm tcp:127.0.0.1:0 --state "$work/tss.state"
  start_tcsd
  says "tpm_version knows a TPM 1.2" 'TPM 1.2 Version Info' tool tpm_version
  says "tpm_selftest has passed" 'TPM Test Results: 70617373' tool tpm_selftest
  says "tpm_selftest reports it again" 'TPM Test Results: 70617373' tool tpm_selftest --results
  says "tpm_getpubek reads the maker's endorsement key" 'Key Size: +2048 bits' tool tpm_getpubek
  endorsement=$(ek_modulus)
  denied "tpm_createek makes no second endorsement key" 'CreateEndorsementKey failed: 0x00000008' tool tpm_createek
  denied "tpm_setownable asks for an owner" "$srk_of_nobody" tool tpm_setownable -s -z
}

test_ownership() {
  between presence 0x08
  check "tpm_setownable forbids to take ownership" tool tpm_setownable -p
  denied "which is refused then" '0x0000000b' tool tpm_takeownership -y -z
  check "tpm_setownable allows it" tool tpm_setownable -a
  between presence 0x10
  check "tpm_takeownership" tool tpm_takeownership -y -z
  denied "nobody takes ownership twice" '0x00000014|0x00000008' tool tpm_takeownership -y -z
  says "tpm_setownable shows that ownership could be taken" 'Ownable status: true' tool tpm_setownable -s -z
  says "tpm_setenable shows an enabled TPM" 'Disabled status: false' tool tpm_setenable -s -z
  says "tpm_setactive shows an active TPM" 'Persistent Deactivated Status: false' tool tpm_setactive -s -z
  says "tpm_setpresence shows who may assert presence" 'Command Enable: true' tool tpm_setpresence -s -z
  says "tpm_setclearable shows a TPM that can be cleared" 'Owner Clear Disabled: false' tool tpm_setclearable -s -z
  says "the endorsement key is the owner's to read now" 'readable by: owner' tool tpm_restrictpubek -s -z
  equal "and it is the same" "$(ek_modulus -z)" "$endorsement"
  check "tpm_restrictsrk lets others read the storage root key" tool tpm_restrictsrk -a -z
  says "and says so" 'readable with: SRK auth' tool tpm_restrictsrk -s -z
  tool tpm_restrictsrk -r -z
  says "and takes it back" 'readable with: owner auth' tool tpm_restrictsrk -s -z
}

test_passwords() {
  check "tpm_changeownerauth sets an owner password" with_passwords 'green green' tpm_changeownerauth -o -z
  denied "the old secret is worth nothing" 'Authentication failed' tool tpm_getpubek -z
  equal "the new password works" "$(with_passwords green tpm_getpubek | grep -c 'Public Key:')" 1
  check "tpm_changeownerauth goes back to the known secret" with_passwords green tpm_changeownerauth -o -r
  equal "which works again" "$(ek_modulus -z)" "$endorsement"
  head -c 100 /dev/urandom >"$work/secret"
  check "tpm_changeownerauth sets a password of the storage root key" with_passwords 'blue blue' tpm_changeownerauth -s -z
  denied "without it nothing is sealed" 'Authentication failed' tool tpm_sealdata -z -i "$work/secret" -o "$work/never"
  check "tpm_changeownerauth takes it away" tool tpm_changeownerauth -s -z -r
}

test_sealing() {
  check "tpm_sealdata" tool tpm_sealdata -z -i "$work/secret" -o "$work/sealed"
  tool tpm_unsealdata -z -i "$work/sealed" -o "$work/opened"
  check "tpm_unsealdata gives the same bytes" cmp "$work/secret" "$work/opened"
  check "tpm_sealdata to PCRs 10 and 11" tool tpm_sealdata -z -p 10 -p 11 -i "$work/secret" -o "$work/sealed_pcrs"
  tool tpm_unsealdata -z -i "$work/sealed_pcrs" -o "$work/opened_pcrs"
  check "which opens while they are the same" cmp "$work/secret" "$work/opened_pcrs"
  # The last line of the sealing key is the end of its encrypted private half.
  end=$(($(grep -n 'ENC DAT' "$work/sealed" | cut -d: -f1) - 1))
  sed "${end}y/ABCDEFGHIJKLMNOPQRSTUVWXYZ/BCDEFGHIJKLMNOPQRSTUVWXYZA/" "$work/sealed" >"$work/tampered"
  refuse "a sealed file is tampered with" cmp "$work/sealed" "$work/tampered"
  refuse "tpm_unsealdata refuses it then" tool tpm_unsealdata -z -i "$work/tampered" -o "$work/wrong"
}

# tpm_mkaik's file, as tpm_verifyquote can read it: TrouSerS 0.3.15 writes an INTEGER with leading zeros into it, which
# OpenSSL 3 refuses.
minimal_der() {
  { printf '\060\202\001\052\002\001\001\002\001\002\002\002\001\034' && tail -c +17 "$1"; } >"$2"
}

test_quotes() {
  tool tpm_mkuuid "$work/uuid"
  equal "tpm_mkuuid" "$(wc -c <"$work/uuid")" 16
  check "tpm_mkaik makes an identity key" tool tpm_mkaik -z "$work/aik" "$work/aik.tss"
  minimal_der "$work/aik.tss" "$work/aik.pub"
  check "tpm_loadkey registers it" tool tpm_loadkey "$work/aik" "$work/uuid"
  check "tpm_getpcrhash" tool tpm_getpcrhash "$work/uuid" "$work/hash" "$work/values" 0 10
  equal "PCR 10 is what it was at power-on" "$(pcr_of 10)" "$zeros"
  head -c 20 /dev/urandom >"$work/nonce"
  head -c 20 /dev/urandom >"$work/nonce2"
  check "tpm_getquote" tool tpm_getquote "$work/uuid" "$work/nonce" "$work/quote" 0 10
  check "tpm_verifyquote accepts it" tool tpm_verifyquote "$work/aik.pub" "$work/hash" "$work/nonce" "$work/quote"
  denied "but not for another nonce" 'verifying signature' \
    tool tpm_verifyquote "$work/aik.pub" "$work/hash" "$work/nonce2" "$work/quote"
}

test_measurement() {
  works "PCR 10 is extended" between extend 10 kernel
  refuse "what was sealed to it does not open" tool tpm_unsealdata -z -i "$work/sealed_pcrs" -o "$work/wrong"
  tool tpm_unsealdata -z -i "$work/sealed" -o "$work/opened_again"
  check "what was sealed to none does" cmp "$work/secret" "$work/opened_again"
  tool tpm_getquote -p "$work/values" "$work/uuid" "$work/nonce2" "$work/quote2" 0 10
  equal "the quote tells the PCR that SHA-1 tells" "$(pcr_of 10)" "$(extended_once kernel)"
  denied "it does not verify against the old PCRs" 'verifying signature' \
    tool tpm_verifyquote "$work/aik.pub" "$work/hash" "$work/nonce2" "$work/quote2"
  tool tpm_updatepcrhash "$work/hash" "$work/values" "$work/hash2"
  check "it does against those that tpm_updatepcrhash put in" \
    tool tpm_verifyquote "$work/aik.pub" "$work/hash2" "$work/nonce2" "$work/quote2"
}

test_restart() {
  stop_tcsd
  works "vtpm-socketd ends" stop_tpm
  start_tpm tcp:127.0.0.1:0 --state "$work/tss.state"
  equal "after its restart PCR 10 is zero" "$(raw pcr 10)" "$zeros"
  start_tcsd
  denied "the owner is still there" '0x00000014|0x00000008' tool tpm_takeownership -y -z
  equal "and so is the endorsement key" "$(ek_modulus -z)" "$endorsement"
  tool tpm_unsealdata -z -i "$work/sealed_pcrs" -o "$work/opened_after"
  check "what was sealed to PCRs opens, now that they are zero again" cmp "$work/secret" "$work/opened_after"
  tool tpm_getquote "$work/uuid" "$work/nonce" "$work/quote3" 0 10
  check "the identity key still quotes" \
    tool tpm_verifyquote "$work/aik.pub" "$work/hash" "$work/nonce" "$work/quote3"
  check "tpm_unloadkey forgets it" tool tpm_unloadkey "$work/uuid"
  denied "and then there is no quote" 'KEY_NOTFOUND' tool tpm_getquote "$work/uuid" "$work/nonce" "$work/quote4" 0 10
}

test_opt_in() {
  check "tpm_setenable disables" tool tpm_setenable -d -z
  refuse "a disabled TPM seals nothing" tool tpm_sealdata -z -i "$work/secret" -o "$work/never"
  check "tpm_setenable enables" tool tpm_setenable -e -z
  check "which seals again" tool tpm_sealdata -z -i "$work/secret" -o "$work/again"
  denied "without presence nobody deactivates" 'Bad physical presence|0x0000002d' tool tpm_setactive -i -t -z
  works "presence is asserted" between presence 0x08
  says "tpm_setpresence sees it" 'Physical Presence: true' tool tpm_setpresence -s -z
  check "tpm_setactive deactivates for this boot" tool tpm_setactive -i -t -z
  refuse "a deactivated TPM seals nothing" tool tpm_sealdata -z -i "$work/secret" -o "$work/never"
}

power_cycle() {
  stop_tcsd
  stop_tpm
  start_tpm tcp:127.0.0.1:0 --state "$work/tss.state"
  start_tcsd
}

test_clearing() {
  power_cycle
  says "the next boot is active" 'Volatile Deactivated Status: false' tool tpm_setactive -s -z
  check "tpm_setclearable keeps even the owner from clearing" tool tpm_setclearable -o -z
  denied "tpm_clear is refused" '0x00000005' tool tpm_clear -z
  between presence 0x08
  check "tpm_clear by physical presence" tool tpm_clear -f
  between presence 0x10
  power_cycle
  between presence 0x08
  tool tpm_setenable -e -f
  tool tpm_setactive -a >"$work/output"
  power_cycle
  denied "there is no owner" "$srk_of_nobody" tool tpm_setownable -s -z
  equal "the endorsement key has stayed" "$(ek_modulus)" "$endorsement"
  check "tpm_takeownership anew" tool tpm_takeownership -y -z
  refuse "what the old storage root sealed never opens again" tool tpm_unsealdata -z -i "$work/sealed" -o "$work/wrong"
  check "tpm_clear by the owner" tool tpm_clear -z
  stop_tcsd
  stop_tpm
}

test_bare_tpm() {
  start_tpm tcp:127.0.0.1:0 --factory bare
  start_tcsd
  denied "a bare TPM has no endorsement key" '0x00000023' tool tpm_getpubek
  check "tpm_createek makes a revocable one" tool tpm_createek -r -g -o "$work/revoke"
  says "which tpm_getpubek reads" 'Key Size: +2048 bits' tool tpm_getpubek
  between presence 0x08
  check "tpm_revokeek" tool tpm_revokeek -i "$work/revoke"
  denied "which clears the TPM: it is disabled" '0x00000007' tool tpm_createek
  check "tpm_setenable by physical presence" tool tpm_setenable -e -f
  denied "the endorsement key is gone" '0x00000023' tool tpm_getpubek
  check "tpm_createek makes one for good" tool tpm_createek
  denied "which cannot be revoked" '0x00000061' tool tpm_revokeek -i "$work/revoke"
  stop_tcsd
  stop_tpm
}

# Those of the two packages that none of the steps has run.
idle_tools() {
  dpkg -L tpm-tools tpm-quote-tools | sed -n 's#.*bin/##p' | sort -u >"$work/all_tools"
  sort -u "$work/tools" | comm -13 - "$work/all_tools"
}
test_all_tools() {
  equal "no tool of tpm-tools and tpm-quote-tools is left out" "$(idle_tools)" ""
  equal "and there are as many as testing.md has" "$(wc -l <"$work/all_tools")" 32
}
