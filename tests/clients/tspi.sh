# SPDX-License-Identifier: MIT
# Two TPMs, each behind a tcsd of its own, and tests/clients/tspi. Sourced by run.sh.
first_tpm_pid=
first_tcsd_pid=

stop_first() {
  [ -z "$first_tcsd_pid" ] || { tcsd_pid=$first_tcsd_pid && stop_tcsd; }
  [ -z "$first_tpm_pid" ] || { tpm_pid=$first_tpm_pid && stop_tpm; }
  first_tcsd_pid= first_tpm_pid=
}

owned_tpm() {
  rm -rf "$work/keys"
  make_tcsd_files
  start_tpm tcp:127.0.0.1:0
  start_tcsd
  check "$1 is owned" tool tpm_takeownership -y -z
}

test_tspi() {
  owned_tpm "the first TPM"
  first_tpm_pid=$tpm_pid first_tcsd_pid=$tcsd_pid first_port=$TSS_TCSD_PORT
  tpm_pid= tcsd_pid=
  owned_tpm "the second TPM"
  timeout 60 "$build/test/tspi" "$first_port" "$TSS_TCSD_PORT" >"$work/tspi.out" 2>"$work/tspi.err"
  equal "the program on libtspi came to its end" "status $?, $(tail -n 1 "$work/tspi.out")" "status 0, done"
  while read -r verdict text; do
    case $verdict in
      ok) pass "tspi: $text" ;;
      bad) fail "tspi: $text" ;;
    esac
  done <"$work/tspi.out"
  stop_tcsd
  stop_tpm
  stop_first
}
