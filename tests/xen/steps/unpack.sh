#!/bin/bash
# SPDX-License-Identifier: MIT
# Downloads the packages that become dom0 and the guests, with their libraries, and unpacks them into the cache.
. "$here/steps/common.sh"

# newest_image: the kernel image that linux-image-amd64 stands for today.
newest_image() {
  apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

# with_libraries PACKAGE...: the packages and every library package they depend on, however deep.
with_libraries() {
  local all="$*" level="$*"
  while [ -n "$level" ]; do
    # shellcheck disable=SC2086
    level=$(apt-cache depends --important $level |
      awk '$1 ~ /Depends:$/ && $2 ~ /^z?lib/ && !seen[$2]++ { print $2 }' |
      grep -Fxv -f <(tr ' ' '\n' <<<"$all") || true)
    all="$all $(tr '\n' ' ' <<<"$level")"
  done
  tr -s ' \n' '\n' <<<"$all"
}

download() {
  local image
  image=$(newest_image)
  [ -n "$image" ] || return 1
  # shellcheck disable=SC2046
  (cd "$cache/debs" && apt-get download -qq -o APT::Sandbox::User=root "$image" $(with_libraries $(packages unpack)))
}

rm -rf "$cache/debs" "$sysroot" "$cache/modules" "$cache/boot"
mkdir -p "$cache/debs" "$sysroot"/usr/{bin,sbin,lib,lib64} "$cache/modules" "$cache/boot"
for dir in bin sbin lib lib64; do
  ln -s "usr/$dir" "$sysroot/$dir"
done

if ! download; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  download || { echo "rig: a package could not be downloaded (see above)"; exit 1; }
fi

for deb in "$cache"/debs/*.deb; do
  case $deb in
    */linux-image-*)
      # The whole image is 400 MB of modules; the rig loads a handful.
      dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$cache/modules" --wildcards \
        './boot/vmlinuz-*' './*/kernel/drivers/xen/*' './*/kernel/drivers/char/tpm/*'
      ;;
    *) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$sysroot" --keep-directory-symlink --no-same-owner ;;
  esac
done
