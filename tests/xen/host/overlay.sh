# SPDX-License-Identifier: MIT
# What changes from run to run and is laid over dom0's base initrd: our programs, their libraries, the scripts. Sourced.

# copy_program PROGRAM ROOT: to /usr/sbin, without what only a debugger reads: dom0's memory is small. Its libraries go under
# their real paths: merged /usr has links for the others, and an archive's directory would replace a link.
copy_program() {
  local lib
  install -D -m 755 --strip "$1" "$2/usr/sbin/$(basename "$1")"
  for lib in $(ldd "$1" | awk '$3 ~ /^\// { print $3 }'); do
    install -D -m 755 "$lib" "$2/$(realpath "$(dirname "$lib")")/$(basename "$lib")"
  done
}

# build_overlay PROGRAMS RUN VARIABLE=VALUE...: leaves dom0's whole initrd in RUN/initrd.
build_overlay() {
  local programs=$1 run=$2 root=$2/overlay program
  shift 2
  mkdir -p "$root/rig" "$root/guest"
  for program in "$programs"/*; do
    if [ -f "$program" ] && [ -x "$program" ]; then copy_program "$program" "$root"; fi
  done
  install -m 755 "$here/dom0/init" "$root/init"
  cp -r "$here/lib" "$here/scenarios" "$root/rig/"
  printf 'export %s\n' "$@" >"$root/rig/environment"
  ln "$cache/guest.cpio" "$root/guest/guest.cpio"
  { cat "$cache/dom0.cpio" && (cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --quiet --null --create --format=newc --owner=+0:+0); } >"$run/initrd"
  rm -rf "$root"
}
