# SPDX-License-Identifier: MIT
# What changes from run to run and is laid over dom0's base initrd: our programs, their libraries, the scripts. Sourced.

# copy_program PROGRAM ROOT: to /usr/sbin, without what only a debugger reads: dom0's memory is small. Its libraries go under
# their real paths: merged /usr has links for the others, and an archive's directory would replace a link.
copy_program() {
  install -D -m 755 --strip "$1" "$2/usr/sbin/$(basename "$1")"
  copy_libraries "$1" "$2"
}
copy_libraries() {
  local lib
  for lib in $(ldd "$1" | awk '$3 ~ /^\// { print $3 }'); do
    install -D -m 755 "$lib" "$2/$(realpath "$(dirname "$lib")")/$(basename "$lib")"
  done
}

# copy_package PACKAGE ROOT: a Debian package to be installed in dom0, the libraries its programs load, and dpkg's word that what
# it depends on is there: dom0 was not made by dpkg, and busybox stands for kmod.
copy_package() {
  local tree=$2.package dpkg=$2/var/lib/dpkg program name
  install -D -m 644 "$1" "$2/rig/package.deb"
  dpkg-deb -x "$1" "$tree"
  for program in "$tree"/usr/sbin/* "$tree"/usr/libexec/vtpm/*; do copy_libraries "$program" "$2"; done
  rm -rf "$tree"
  mkdir -p "$dpkg"/{info,updates,triggers}
  for name in $(dpkg-deb -f "$1" Depends | tr ',' '\n' | awk '{ print $1 }'); do
    { dpkg-query -s "$name" 2>/dev/null || apt-cache show --no-all-versions "$name"; } |
      awk '/^(Package|Version|Architecture|Maintainer|Description):/
        END { print "Status: install ok installed"; print "" }' >>"$dpkg/status"
    : >"$dpkg/info/$name.list"
  done
}

# build_overlay PROGRAMS RUN VARIABLE=VALUE...: leaves dom0's whole initrd in RUN/initrd. PACKAGE instead of the programs.
build_overlay() {
  local programs=$1 run=$2 root=$2/overlay program
  shift 2
  mkdir -p "$root/rig" "$root/guest"
  if [ -n "${PACKAGE-}" ]; then
    copy_package "$PACKAGE" "$root"
  else
    for program in "$programs"/*; do
      if [ -f "$program" ] && [ -x "$program" ]; then copy_program "$program" "$root"; fi
    done
    # For guests without the stock driver.
    copy_program "$programs/vtpm-frontend" "$root/rig/frontend"
    install -D -m 755 "$here/../../hotplug/vtpm-migrate-ssh" "$root/usr/bin/vtpm-migrate-ssh"
  fi
  install -m 755 "$here/dom0/init" "$root/init"
  cp -r "$here/lib" "$here/scenarios" "$root/rig/"
  printf 'export %s\n' "$@" >"$root/rig/environment"
  ln "$cache/guest.cpio" "$root/guest/guest.cpio"
  { cat "$cache/dom0.cpio" && (cd "$root" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --quiet --null --create --format=newc --owner=+0:+0); } >"$run/initrd"
  rm -rf "$root"
}
