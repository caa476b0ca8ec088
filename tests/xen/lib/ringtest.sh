# SPDX-License-Identifier: MIT
# The ring test kit on real Xen: what it needs in a guest, and how its report becomes part of ours. Sourced.
guest_programs=/run/guest.programs
kit_patience='--patience 90000 --silence 1000'
hooks=/rig/lib/ringtest_hooks.sh
report=/run/ringtest.tap

# programs_for_guest PROGRAM...: GUEST_OVERLAY for guest_config, with what the programs load.
programs_for_guest() {
  mkdir -p "$guest_programs/usr/sbin"
  for program in "$@"; do
    cp "/usr/sbin/$program" "$guest_programs/usr/sbin"
    for library in $(/usr/lib64/ld-linux-x86-64.so.2 --list "/usr/sbin/$program" | awk '$3 ~ /^\// { print $3 }'); do
      real=$(readlink -f "$(dirname "$library")")
      mkdir -p "$guest_programs$real"
      cp -L "$library" "$guest_programs$real/"
    done
  done
  GUEST_OVERLAY=$guest_programs
}

# ringtest_guest: the guest `g`, which does not exist yet, with the programs and without the driver.
ringtest_guest() {
  programs_for_guest vtpm-ringtest vtpm-frontend
  GUEST_WORDS=
  guest_config g pv 'vtpm = ["backend=0,uuid=00000000-0000-4000-8000-000000000007"]'
  forward_console g
}

# as_backend WHO OPTION...: the kit in dom0 against the frontend that the hooks call WHO. It makes the guest when there is
# none: xl waits for a backend, which is the kit.
as_backend() {
  who=$1
  shift
  : >"$report"
  { tail -n +1 -f "$report" | while read -r line; do echo "kit: $line"; done; } >/dev/console 2>/dev/null &
  vtpm-ringtest backend $kit_patience --create 'xl create -q /run/guests/g.cfg' --start "$hooks start-$who" --stop "$hooks stop-$who" --send "$hooks send-$who \$1" \
    "$@" >"$report" 2>/run/ringtest.err </dev/null
  kit_status=$?
}

# as_frontend OPTION...: the kit in the guest against the manager. It is left running there, since a case may take longer than
# an answer of the guest may.
as_frontend() {
  check "the kit starts in the guest" guest_run g "{ vtpm-ringtest frontend $* $kit_patience >/tmp/report 2>&1
    echo \$? >/tmp/status; } </dev/null >/dev/null 2>&1 &"
  check "the kit ends in the guest" eventually kit_ended
  guest_run g 'cat /tmp/report' >"$report"
  judge "our backend" "$report" "$(guest_run g 'cat /tmp/status')"
}
kit_ended() {
  sleep 5
  guest_run g '[ -s /tmp/status ]'
}

# judge WHO FILE STATUS [CASE...]: each line of the kit's report becomes one of ours. Of the cases that are named it is known
# that WHO breaks them: Documentation/ring-testing.md.
judge() {
  judged_who=$1 judged_file=$2 judged_status=$3
  shift 3
  judged_count=$(grep -cE '^(not )?ok ' "$judged_file")
  equal "$judged_who: the kit came to its end" "$(sed -n 's/^1\.\.//p' "$judged_file")" "$judged_count"
  while read -r line; do
    case $line in
      "not ok "*)
        name=${line#*- }
        if echo " $* " | grep -qF " $name "; then
          pass "$judged_who: breaks $name, as documented"
        else
          fail "$judged_who: $name" "$(awk -v name="$name" '/^(not )?ok / { inside = index($0, "- " name) } inside' "$judged_file" | head -n 60)"
        fi
        ;;
      "ok "*) pass "$judged_who: ${line#*- }" ;;
      "# "[a-zA-Z]*) echo "$line" ;;
    esac
  done <"$judged_file"
  # 1: some case failed, and was judged above.
  refuse "$judged_who: the kit could not work" [ "$judged_status" -gt 1 ]
}
