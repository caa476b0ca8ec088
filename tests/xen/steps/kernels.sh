#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes uncompressed ELF images of Xen and Linux: QEMU needs the first, and software emulation unpacks slowly.
. "$here/steps/common.sh"

word_at() { # FILE OFFSET BYTES: an unsigned little-endian number
  od -An -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# vmlinux BZIMAGE: the payload, found by the boot protocol's header (setup_sects, payload_offset, payload_length).
vmlinux() {
  local start length magic
  start=$((($(word_at "$1" $((0x1f1)) 1) + 1) * 512 + $(word_at "$1" $((0x248)) 4)))
  length=$(word_at "$1" $((0x24c)) 4)
  magic=$(od -An -t x1 -j "$start" -N 4 "$1" | tr -d ' ')
  # The last four bytes of the payload are its unpacked size, not part of the stream.
  head -c "$((start + length - 4))" "$1" | tail -c "+$((start + 1))" |
    case $magic in
      fd377a58) xz -dc ;;
      28b52ffd) zstd -dc ;;
      1f8b*) gzip -dc ;;
      *) echo "rig: unknown kernel compression $magic" >&2; false ;;
    esac
}

mkdir -p "$cache/boot"
vmlinux "$(find "$cache/modules/boot" -name 'vmlinuz-*' -print -quit)" >"$cache/boot/vmlinux"
gzip -dc "$(find "$sysroot/boot" -name 'xen-*-amd64.gz' -print -quit)" >"$cache/boot/xen"
