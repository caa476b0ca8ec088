# SPDX-License-Identifier: MIT
# Two machines joined by their second serial lines: one does what the other says. Sourced; a request is a line with the
# command and its standard input in base64, an answer one with status and standard output.

link_open() {
  stty -F /dev/ttyS1 raw -echo
  exec 9<>/dev/ttyS1
  # The line is not free for the guests' consoles.
  forward_console() { :; }
}

# link_wait: until the other machine serves.
link_wait() {
  until read -r tag <&9 && [ "$tag" = READY ]; do :; done
}

# there COMMAND...: on the other machine, where the scenario's functions are known. Its standard input is ours.
there() {
  link_input=$(base64 -w 0)
  printf 'DO %s %s\n' "$(printf '%s' "$*" | base64 -w 0)" "${link_input:--}" >&9
  tag=
  until [ "$tag" = DONE ]; do read -r tag link_status link_output <&9 || return 125; done
  printf '%s' "$link_output" | base64 -d
  return "$link_status"
}
# The same without any input.
tell() { there "$@" </dev/null; }

# link_serve: does what it is told until it is told `link_end`.
link_serve() {
  until read -r -t 1 tag command input <&9; do echo READY >&9; done
  while :; do
    if [ "$tag" = DO ]; then
      [ "$input" != - ] || input=
      printf '%s' "$input" | base64 -d >/run/link.input
      text=$(printf '%s' "$command" | base64 -d)
      echo "# told: $text"
      (eval "$text") </run/link.input >/run/link.output 2>/run/link.error
      status=$?
      sed 's/^/#   /' /run/link.error
      # What went wrong is for the other side to show.
      [ "$status" = 0 ] || cat /run/link.error >>/run/link.output
      printf 'DONE %s %s\n' "$status" "$(base64 -w 0 </run/link.output)" >&9
      [ "$text" != link_end ] || return 0
    fi
    read -r tag command input <&9 || return
  done
}
link_end() { :; }
