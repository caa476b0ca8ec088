# SPDX-License-Identifier: MIT
# The control channel, by swtpm_ioctl. Sourced by run.sh.

# start_controlled [OPTION...]: a TPM with a control channel at $control; swtpm_ioctl speaks to it by `ioctl`.
start_controlled() {
  control=$work/control.sock
  start_tpm tcp:127.0.0.1:0 --ctrl "unix:$control" "$@"
}
ioctl() { timeout 60 swtpm_ioctl --unix "$control" "$@" 2>&1; }

test_control() {
  start_controlled --factory bare
  equal "every capability is there but TPM 2's" "$(ioctl -c)" "ptm capability is 0x17fff"
  equal "the configuration tells of no key" "$(ioctl -g)" "ptm configuration flags: 0x0"
  says "the information names specification and maker" \
    '^\{"TPMSpecification":\{"family":"1.2","level":2,"revision":116\},"TPMAttributes":\{"manufacturer":"id:58765450"' \
    ioctl --info 3
  equal "information that is not asked for is not given" "$(ioctl --info 0)" "{}"

  raw extend 16 one
  refuse "locality 0 may not reset PCR 20" raw reset 20
  works "the locality is set to 2" ioctl -l 2
  works "locality 2 resets PCR 20" raw reset 20
  refuse "locality 2 may not reset PCR 19" raw reset 19
  works "the locality is set to 4" ioctl -l 4
  works "locality 4 resets PCR 19" raw reset 19
  works "and back to 0" ioctl -l 0
  equal "where PCR 16 is as it was" "$(raw pcr 16)" "$(extended_once one)"
}

test_power() {
  says "the buffer has its largest size" "TPM buffersize: 4088" ioctl -b 0
  denied "its size does not change under power" "0xa" ioctl -b 2048
  works "the TPM is stopped" ioctl --stop
  equal "without power each command fails" "$(raw startup 1)" "code 9"
  denied "and nothing is told of it" "0xa" ioctl -e
  says "a size below the least becomes the least" "TPM buffersize: 1024" ioctl -b 10
  says "a size that can be is taken" "TPM buffersize: 2048" ioctl -b 2048
  works "the TPM has power again" ioctl -i
  equal "its PCRs are lost until it is started" "$(raw startup 1)" "code 0"
  equal "and zero then" "$(raw pcr 16)" "$zeros"
  equal "the buffer has the new size" "$(raw buffer)" "2048"
  equal "a larger command is refused" "$(raw size 2049)" "code 25, open"
}

# Volatile state is carried over a loss of power when the client asks for it; the whole TPM to another one.
test_blobs() {
  raw extend 16 one
  works "the volatile state is kept" ioctl -v
  raw extend 16 two
  works "the TPM goes through a loss of power" ioctl -i
  equal "and goes on where it was kept" "$(raw pcr 16)" "$(extended_once one)"
  works "what was kept is used once" ioctl -i
  equal "the next time it is as after any other loss" "$(raw startup 1)" "code 0"

  raw extend 16 three
  for blob in permanent volatile savestate; do
    works "the $blob state is given out" ioctl --save $blob "$work/$blob.blob"
  done
  equal "that which TPM_SaveState saves is part of the permanent state" "$(wc -c <"$work/savestate.blob")" 0
  denied "a running TPM takes no state" "0xa" ioctl --load permanent "$work/permanent.blob"
  works "the TPM ends when it is told to" ioctl -s
  works "by itself and cleanly" join_tpm

  start_controlled --factory bare --state "$work/other.state"
  ioctl --stop
  sed 's/vtpm/tpmv/' "$work/permanent.blob" >"$work/wrong.blob"
  denied "a blob of something else is refused" "0x3" ioctl --load permanent "$work/wrong.blob"
  denied "a volatile state is no permanent one" "0x3" ioctl --load permanent "$work/volatile.blob"
  works "a volatile state is taken before its permanent one" ioctl --load volatile "$work/volatile.blob"
  denied "but does not go with another TPM's" "0x9" ioctl -i
  for blob in permanent savestate; do
    works "the $blob state is taken" ioctl --load $blob "$work/$blob.blob"
  done
  works "and the TPM of both has power" ioctl -i
  equal "its PCRs are those it had" "$(raw pcr 16)" "$(extended_once three)"
  equal "so is its endorsement key, which is not made twice" "$(raw make-ek)" "code 8"
  stop_tpm
  start_controlled --state "$work/other.state"
  equal "which outlives the process" "$(raw make-ek)" "code 8"
}

# The launch of a measured environment: TPM_HASH_START, TPM_HASH_DATA, TPM_HASH_END.
test_hashing() {
  equal "no launch has been seen" "$(ioctl -e)" "tpmEstablished is 0"
  works "text is hashed as a launch does it" ioctl -h launched
  equal "PCR 17 holds it" "$(raw pcr 17)" "$(extended_once launched)"
  equal "PCR 18 begins with zeros" "$(raw pcr 18)" "$zeros"
  equal "the TPM tells of a launch" "$(ioctl -e)" "tpmEstablished is 1"
  head -c 20000 /dev/zero >"$work/long"
  works "20,000 bytes of standard input are hashed" ioctl -h - <"$work/long"
  equal "PCR 17 holds them" "$(raw pcr 17)" \
    "$(printf '%s%s' "$zeros" "$(sha1sum <"$work/long" | cut -d' ' -f1)" | xxd -r -p | sha1sum | cut -d' ' -f1)"
  denied "locality 2 may not forget a launch" "0x3d" ioctl -r 2
  works "locality 3 may" ioctl -r 3
  equal "then the TPM tells of none" "$(ioctl -e)" "tpmEstablished is 0"
  stop_tpm
}

# The daemon stands still until both the command and the wish to cancel it have arrived.
test_cancel() {
  works "without a command there is nothing to cancel" ioctl -C
  kill -STOP "$tpm_pid"
  raw make-ek >"$work/made" &
  making=$!
  sleep 0.5
  ioctl -C >"$work/cancelled" &
  cancelling=$!
  sleep 0.5
  kill -CONT "$tpm_pid"
  wait "$cancelling"
  equal "the control channel answers while a key is made" "status $?" "status 0"
  wait "$making"
  equal "the command is given up" "$(cat "$work/made")" "code 2048"
  equal "and can be sent again" "$(raw make-ek)" "code 0"
}
