# SPDX-License-Identifier: MIT
# What the build steps share: the package list and copying programs with their libraries. Sourced.
set -euo pipefail

: "${here:?}" "${cache:?}"
sysroot=$cache/sysroot

# packages KIND: the names listed under KIND.
packages() {
  awk -v kind="$1" '$1 == kind { print $2 }' "$here/packages"
}

# libraries PROGRAM: the shared libraries an unpacked program loads, resolved inside the cache by its own loader.
libraries() {
  local triplet=x86_64-linux-gnu
  "$sysroot/usr/lib64/ld-linux-x86-64.so.2" --inhibit-cache \
    --library-path "$sysroot/usr/lib/$triplet" --list "$1" |
    awk -v root="$sysroot/" -v program="$1" '
      index($3, root) == 1 { print $3 }
      # The loader also looks in the directories of this machine, which the guests do not have.
      $2 == "=>" && index($3, root) != 1 { print "rig: " program " lacks " $1 >"/dev/stderr"; failed = 1 }
      END { exit failed }'
}

# install_programs ROOT PATH...: copies programs (paths inside the cache) and what they load into an initrd's tree.
install_programs() {
  local root=$1 path lib needed
  shift
  for path in "$@"; do
    [ -e "$sysroot/$path" ] || { echo "rig: no $path in the unpacked packages" >&2; exit 1; }
    install -D -m 755 "$sysroot/$path" "$root/$path"
    needed=$(libraries "$sysroot/$path")
    for lib in $needed; do
      install -D -m 755 "$lib" "$root/${lib#"$sysroot"/}"
    done
  done
}

# new_root ROOT: an empty initrd tree with merged /usr, busybox, and the dynamic loader.
new_root() {
  local root=$1 applet
  rm -rf "$root"
  mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,var/lib,var/log,usr/bin,usr/sbin,usr/lib/x86_64-linux-gnu,usr/lib64}
  ln -s usr/bin "$root/bin"
  ln -s usr/sbin "$root/sbin"
  ln -s usr/lib "$root/lib"
  ln -s usr/lib64 "$root/lib64"
  ln -s ../run "$root/var/run"
  ln -s ../run/lock "$root/var/lock"
  install -m 755 "$sysroot/usr/bin/busybox" "$root/usr/bin/busybox"
  for applet in $("$sysroot/usr/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/usr/bin/$applet"
  done
  install -m 755 "$sysroot/usr/lib64/ld-linux-x86-64.so.2" "$root/usr/lib64/"
  # pthread_cancel loads libgcc_s by name, so no list of needed libraries shows it; xl aborts without it.
  install -m 755 "$sysroot/usr/lib/x86_64-linux-gnu/libgcc_s.so.1" "$root/usr/lib/x86_64-linux-gnu/"
}

# install_modules ROOT NAME...: kernel modules into /modules.
install_modules() {
  local root=$1 name found
  shift
  mkdir -p "$root/modules"
  for name in "$@"; do
    found=$(find "$cache/modules" -name "$name.ko*" -print -quit)
    case $found in
      *.ko) cp "$found" "$root/modules/$name.ko" ;;
      *.xz) xz -dc "$found" >"$root/modules/$name.ko" ;;
      *.zst) zstd -qdc "$found" >"$root/modules/$name.ko" ;;
      *) echo "rig: the kernel package has no module $name" >&2; exit 1 ;;
    esac
  done
}

# compile NAME OPTION...: a program of the rig's own, into /usr/lib/rig of $root.
compile() {
  local source=$here/$1.cc name=${1##*/}
  shift
  g++ -std=c++20 -O1 -Wall -Wextra -Werror -static-libstdc++ -static-libgcc -o "$cache/$name" "$source" "$@"
  install -D -m 755 "$cache/$name" "$sysroot/usr/lib/rig/$name"
  install_programs "$root" "usr/lib/rig/$name"
}

# pack ROOT FILE: an uncompressed cpio archive, everything owned by root.
pack() {
  (cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
    cpio --quiet --null --create --format=newc --owner=+0:+0) >"$2.new"
  mv "$2.new" "$2"
}
