# SPDX-License-Identifier: MIT
# NV areas, the lockout and the operator's secret, by the tools of tpm-tools. Sourced by run.sh; the TPM is owned.

test_areas() {
  index=0x00011110
  printf 'sixteen bytes it' >"$work/area"
  check "tpm_nvdefine makes an area of the owner's" \
    tool tpm_nvdefine -y -i $index -s 16 -p 'OWNERREAD|OWNERWRITE'
  says "tpm_nvinfo shows its size" 'Size +: 16' tool tpm_nvinfo -i $index
  check "tpm_nvwrite writes it" tool tpm_nvwrite -z -i $index -s 16 -f "$work/area"
  denied "with another secret it writes nothing" 'Authentication failed' \
    tool tpm_nvwrite -p purple -i $index -s 16 -m 0x41
  check "tpm_nvread reads it" tool tpm_nvread -z -i $index -s 16 -f "$work/area_read"
  check "which gives the bytes that were written" cmp "$work/area" "$work/area_read"
  denied "with another secret it reads nothing" 'Authentication failed' \
    tool tpm_nvread -p purple -i $index -s 16
  denied "tpm_nvrelease asks for the owner" 'Authentication failed' tool tpm_nvrelease -o purple -i $index
  check "tpm_nvrelease gives it back" tool tpm_nvrelease -y -i $index
  denied "then there is nothing to read" 'index' tool tpm_nvread -z -i $index -s 16
}

test_lockout() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do with_passwords purple tpm_getpubek >"$work/output"; done
  denied "after many wrong passwords even the right one is refused" '0x00000803|defend' tool tpm_getpubek -z
  check "tpm_resetdalock ends it" tool tpm_resetdalock -z
  equal "the right secret works again" "$(ek_modulus -z)" "$endorsement"
}

test_operator() {
  denied "tpm_setoperatorauth is refused without presence" 'presence|0x0000002d' tool tpm_setoperatorauth -z
  works "presence is asserted" between presence 0x08
  check "tpm_setoperatorauth sets the operator's secret" tool tpm_setoperatorauth -z
  works "presence is withdrawn" between presence 0x10
  stop_tcsd
  equal "with another secret nobody deactivates the TPM" "$(raw operator 0x4f)" "code 1"
  equal "with the operator's it is deactivated" "$(raw operator 0)" "code 0"
  start_tcsd
  denied "its owner is told so" 'TPM is deactivated' tool tpm_setactive -s -z
  power_cycle
  says "until the next boot" 'Volatile Deactivated Status: false' tool tpm_setactive -s -z
}
