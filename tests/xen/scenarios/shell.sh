# SPDX-License-Identifier: MIT
# A shell in a guest, connected to whoever started the rig. The status is the shell's.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh

type=${TYPES%% *}
manager_start || exit 125
GUEST_WORDS="rig.tpm rig.shell rig.$CONSOLE"
guest_config guest "$type" 'vtpm = ["backend=0,uuid=00000000-0000-4000-8000-000000000001"]'
xl create -q /run/guests/guest.cfg || exit 125
guest_ready guest || exit 125
home=/local/domain/$(guest_domid guest)/data
eventually xenstore-exists "$home/shell" || exit 125
setsid -c xl console guest <>/dev/ttyS1 >&0 2>/dev/ttyS1 &
console=$!
sleep 0.5
echo RIG-SHELL

shell_status() { status=$(xenstore-read "$home/status" 2>/dev/null) && [ -n "$status" ]; }
until shell_status; do
  # The console client ends when the guest does, or when its escape key is typed.
  kill -0 "$console" 2>/dev/null || break
  sleep 0.2
done
guest_gone guest || xl destroy guest
# What the console client still holds comes out before the machine ends.
sleep 1
# Left with the escape key: no status, and none expected.
exit "${status:-0}"
