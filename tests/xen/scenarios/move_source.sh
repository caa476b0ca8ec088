# SPDX-License-Identifier: MIT
# A TPM moves to another machine: what its guest has sealed opens there, and nowhere else. tests/xen/pair.sh starts both.
. /rig/lib/tap.sh
. /rig/lib/guest.sh
. /rig/lib/manager.sh
. /rig/lib/stock.sh
. /rig/lib/lifecycle.sh
. /rig/lib/link.sh

hostname source
link_open
type=pv uuid=$(uuid_of a)
# The other machine as ssh would reach it.
cat >/run/to-destination <<'SSH'
#!/bin/sh
. /rig/lib/link.sh
exec 9<>/dev/ttyS1
shift
there "$@"
SSH
chmod 755 /run/to-destination

# carry FROM TO: from here into the guest there, in pieces that XenStore takes.
carry() {
  fold -w 1000 "$1" >/run/pieces
  echo >>/run/pieces
  tell guest_run a "'mkdir -p ${2%/*}; : >$2.text'" || return
  while read -r piece; do
    [ -z "$piece" ] || tell guest_run a "'printf %s $piece >>$2.text'" || return
  done </run/pieces
  tell guest_run a "'base64 -d $2.text >$2'"
}
fingerprint_there() { tell vtpmctl peers | sed -n 's/  .*(this host)//p'; }
refused_for_move() {
  eventually xenstore-exists "/local/domain/0/error/backend/vtpm/$(xl domid a)/0/error" &&
    xenstore-read "/local/domain/0/error/backend/vtpm/$(xl domid a)/0/error" | grep 'moved to host'
}

check "the manager starts" manager_start
link_wait
configure a pv
check "xl create" guest_create a
forget
check "the guest owns its TPM and seals" observed guest_run a "own_and_seal 10 $measured"
expect_status seal 0 tpm_sealdata
expect_status same 0 "what is unsealed is what was sealed"
guest_run a 'base64 -w 0 /tmp/sealed' >/run/sealed
guest_run a 'base64 -w 0 /var/lib/tpm/system.data' >/run/system.data
trust=$(fingerprint_there)
matches "the other host has a key" "$trust" '[0-9a-f]{32}'
refuse "nothing moves while the guest runs" \
  vtpmctl move "$uuid" --ssh destination --ssh-command /run/to-destination --trust "$trust"
tell configure a pv
check "the guest is shut down" guest_destroy a
refuse "nothing moves to a host that is not known" \
  vtpmctl move "$uuid" --ssh destination --ssh-command /run/to-destination
check "the TPM moves" eventually vtpmctl move "$uuid" --ssh destination --ssh-command /run/to-destination --trust "$trust"
note "$(vtpmctl show "$uuid" | grep '^move ')"
note "$(tell vtpmctl show "$uuid" | grep '^move ')"

check "the guest starts there" tell guest_create a
check "what was sealed is brought there" carry /run/sealed /tmp/sealed
check "and which keys TrouSerS knows" carry /run/system.data /var/lib/tpm/system.data
forget
check "TrouSerS serves there" observed tell guest_run a \
  "'chown tss:tss /var/lib/tpm/system.data; chmod 600 /var/lib/tpm/system.data; start_tss && did unseal tpm_unsealdata -z -i /tmp/sealed -o /tmp/unsealed; stop_tss; section text; cat /tmp/unsealed'"
expect_status unseal 0 "tpm_unsealdata on the other machine"
equal "what it opens" "$(seen text)" 'what nobody else may read'

check "a guest is started here again" guest_start a
check "the source answers with its tombstone" refused_for_move
check "xl destroy" xl destroy a
refuse "no abort any more" vtpmctl export "$uuid" --abort
check "the guest there is destroyed" tell guest_destroy a
check "the other machine ends" tell link_end
finish
