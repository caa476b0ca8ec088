# SPDX-License-Identifier: MIT
# vtpm-socketd itself: its byte stream, its state file, its end. Sourced by run.sh.
zeros=0000000000000000000000000000000000000000

# The value of a PCR that was zero after one extend with the digest of a text.
extended_once() { printf '%s%s' "$zeros" "$(printf %s "$1" | sha1sum | cut -d' ' -f1)" | xxd -r -p | sha1sum | cut -d' ' -f1; }

test_stream() {
  start_tpm tcp:127.0.0.1:0 --state "$work/stream.state"
  equal "a command that comes byte by byte is answered" "$(raw split)" "code 0, open"
  equal "commands that come joined are answered one by one" "$(raw join)" "21 30 30"
  equal "a size below a header's is refused and the connection closed" "$(raw size 9)" "code 25, closed"
  equal "a size above the buffer's is refused and the connection closed" "$(raw size 4089)" "code 25, closed"
  equal "so is the largest size there is" "$(raw size 0xffffffff)" "code 25, closed"
  equal "the largest command is the engine's to judge" "$(raw size 4088)" "code 25, open"
  raw extend 16 one
  equal "one connection after another meets the same powered TPM" "$(raw pcr 16)" "$(extended_once one)"
  denied "a second daemon on the same state is refused" "in use by another" \
    timeout 20 "$build/bin/vtpm-socketd" --listen tcp:127.0.0.1:0 --state "$work/stream.state"
  raw save-state
  works "SIGTERM ends it cleanly" stop_tpm
}

test_state_file() {
  start_tpm tcp:127.0.0.1:0 --state "$work/stream.state" --startup state
  equal "--startup state brings back what TPM_SaveState saved" "$(raw pcr 16)" "$(extended_once one)"
  stop_tpm
  start_tpm tcp:127.0.0.1:0 --state "$work/stream.state"
  equal "a restart is a power cycle" "$(raw pcr 16)" "$zeros"
  stop_tpm
  start_tpm "unix:$work/tpm.sock" --state "$work/stream.state" --startup none
  equal "--startup none leaves TPM_Startup to the client" "$(raw startup 1)" "code 0"
  stop_tpm
  refuse "its Unix socket goes with it" test -e "$work/tpm.sock"

  cp "$work/stream.state" "$work/damaged.state"
  printf x | dd of="$work/damaged.state" bs=1 seek=400 conv=notrunc status=none
  before=$(sha1sum "$work/damaged.state")
  denied "a damaged state is refused with what to do" "is damaged.*[Rr]estore it from a backup" \
    timeout 20 "$build/bin/vtpm-socketd" --listen tcp:127.0.0.1:0 --state "$work/damaged.state"
  equal "and left as it is" "$(sha1sum "$work/damaged.state")" "$before"
  : >"$work/empty.state"
  denied "an empty state is no new TPM" "cut short" \
    timeout 20 "$build/bin/vtpm-socketd" --listen tcp:127.0.0.1:0 --state "$work/empty.state"
  denied "a daemon with nothing to listen on is refused" "give --listen or --ctrl" timeout 20 "$build/bin/vtpm-socketd"
}
