# SPDX-License-Identifier: MIT
# What a guest with vtpm-frontend has to see of its TPM. `type` is the guest's type. Sourced after lib/stock.sh.
shim_file=/run/shim.save

shim_create_checks() {
  eval "uuid=\$uuid_$type"
  GUEST_WORDS=rig.no-driver GUEST_OVERLAY=/rig/frontend
  guest_config g "$type" "vtpm = [\"backend=0,uuid=$uuid\"]"
  unset GUEST_WORDS GUEST_OVERLAY
  check "$type: xl create" guest_create g
  forget
  check "$type: vtpm-frontend makes /dev/tpm0" observed guest_run g 'shim_start || cat /tmp/shim.log; shim_rights; pcrs'
  equal "$type: as a user without capabilities" "$(seen rights)" "100 100 100 100 0000000000000000 1 "
  equal "$type: pcrs are 24 lines" "$(pcr_lines)" 24
  equal "$type: the backend is connected" "$(backend_state g 0)" 4
}

shim_tss_checks() {
  forget
  check "$type: tcsd serves" observed guest_run g "start_tss; did version tpm_version; stop_tss; own_and_seal 10 $measured"
  expect_status version 0 tpm_version
  expect_status own 0 tpm_takeownership
  expect_status seal 0 tpm_sealdata
  expect_status unseal 0 tpm_unsealdata
  expect_status same 0 "what is unsealed is what was sealed"
  expect_status tss_quote 0 "a quote through TrouSerS"
  quote_checks
  expect_status unseal_changed 24 "tpm_unsealdata is refused after the PCR has changed"
}

shim_see_pcrs() {
  forget
  check "$type: $1" observed guest_run g "${2:-pcrs}"
}

shim_backend_checks() {
  shim_see_pcrs "an extend is answered" "extend 11 $measured; pcrs"
  seen pcrs >/run/pcrs.g
  worker=$(worker_pids)
  kill -9 "$worker"
  check "$type: a killed worker is replaced" eventually pid_changed worker_pids "$worker"
  shim_see_pcrs "the TPM answers after it"
  check "$type: its PCRs stand" cmp /run/pcrs.g /run/seen.pcrs
  manager=$(manager_pid)
  kill -9 "$manager"
  check "$type: a killed manager is replaced" eventually pid_changed manager_pid "$manager"
  shim_see_pcrs "the TPM answers after it"
  check "$type: its PCRs stand" cmp /run/pcrs.g /run/seen.pcrs
}

shim_suspend_checks() {
  for cycle in 1 2; do
    check "$type: xl save, cycle $cycle" shim_save
    check "$type: xl restore, cycle $cycle" shim_restore
    shim_see_pcrs "the TPM answers in the restored domain, cycle $cycle" "eventually [ -e /dev/tpm0 ]; pcrs; kernel_traces; section log; cat /tmp/shim.log"
    check "$type: its PCRs stand, cycle $cycle" cmp /run/pcrs.g /run/seen.pcrs
    equal "$type: the kernel is sound, cycle $cycle" "$(seen traces)" ""
  done
  note "$(seen log)"
}
shim_save() { xl save g "$shim_file" && eventually guest_gone g; }
shim_restore() { xl restore "$shim_file" && guest_moved g; }

shim_rival_checks() {
  forget
  check "$type: the stock driver is loaded beside it" observed guest_run g \
    'insmod /modules/xen-tpmfront.ko; eventually shim_ended; section log; tail -n 1 /tmp/shim.log; section second; vtpm-frontend --device 2>&1; echo "status $?"'
  matches "$type: vtpm-frontend yields, and says so" "$(seen log)" '.*another driver has taken it.*'
  matches "$type: another one does not begin" "$(seen second | tail -n 1)" 'status 3'
  matches "$type: and says what to do" "$(seen second | head -n 1)" '.*unbind.*'
  check "$type: the guest is shut down" guest_destroy g
  check "$type: nothing is left" eventually no_worker
}
