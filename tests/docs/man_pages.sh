#!/bin/sh
# SPDX-License-Identifier: MIT
# man_pages.sh BIN: every option and command that a program's --help names stands in its manual page, and no other; the
# same for the completion of vtpmctl. Says what differs; status 1 then.
set -eu
bin=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

long_options() { grep -oE -- '--[a-z][a-z-]*' | LC_ALL=C sort -u; }
# What --help lists at the beginning of a line, after a short form perhaps.
offered() { sed -nE 's/^ +(-[a-z],)?(--[a-z][a-z-]*).*/\2/p' | LC_ALL=C sort -u; }
plain() { sed -e 's/\\-/-/g' -e '/^\.\\"/d' "$1"; }
same() { # same WHAT: the files `help` and `page`
  diff "$scratch/help" "$scratch/page" >"$scratch/difference" && return
  echo "$1: < is in --help only, > is not in it:" >&2
  grep '^[<>]' "$scratch/difference" >&2
  status=1
}

# page PROGRAM MANUAL: by the headings of its options, with the value that an option has if --help says none.
page() {
  "$bin/$1" --help | offered >"$scratch/help"
  plain "$2" | sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' | grep -E '^\.B[IR]? ' | long_options >"$scratch/page"
  same "$2"
  "$bin/$1" --help | sed -nE 's/^ +(-[a-z],)?(--[a-z][a-z-]*) [^=]*=([^ ]+)( .*)?$/\2 \3/p' | LC_ALL=C sort >"$scratch/help"
  plain "$2" | awk '/^\.B/ { match($0, /--[a-z][a-z-]*/); name = substr($0, RSTART, RLENGTH) }
    /^Default: / { sub(/^Default: /, ""); sub(/\.$/, ""); print name, $0 }' | LC_ALL=C sort >"$scratch/page"
  same "defaults in $2"
}
page vtpm-managerd backend/manager/vtpm-managerd.8
page vtpm-domwatch backend/domwatch/vtpm-domwatch.8
page vtpm-socketd backend/socket/vtpm-socketd.8
page vtpm-frontend frontend/vtpm-frontend.8

# vtpmctl: its commands, and the options of each below its heading.
manual=backend/control/vtpmctl.8
completion=backend/control/vtpmctl.bash
commands=$("$bin/vtpmctl" --help | sed '1,/^Subcommands:/d' | awk 'NF { print $1 }')
echo "$commands" | LC_ALL=C sort >"$scratch/help"
plain $manual | sed -n '/^\.SH COMMANDS/,/^\.SH EXIT/p' | awk '/^\.TP/ { getline; gsub(/"/, ""); print $2 }' |
  LC_ALL=C sort >"$scratch/page"
same "commands in $manual"
sed -n 's/.*commands="\(.*\)"/\1/p' $completion | tr ' ' '\n' | LC_ALL=C sort >"$scratch/page"
same "commands in $completion"
for command in $commands; do
  "$bin/vtpmctl" "$command" --help | offered | grep -vx -- --help >"$scratch/help" || true
  plain $manual | awk -v command="$command" '/^\.TP/ { getline; line = $0; gsub(/"/, ""); inside = $2 == command; next }
    /^\.SH/ { inside = 0 } inside' | long_options >"$scratch/page"
  same "options of $command in $manual"
  # What the shell offers after the command.
  bash -c '. ./'$completion'; COMP_WORDS=(vtpmctl '"$command"' --); COMP_CWORD=2; _vtpmctl; printf "%s\n" "${COMPREPLY[@]}"' |
    grep -vxE -- '--(json|runtime-dir|help)' | LC_ALL=C sort -u >"$scratch/page" || true
  same "options of $command in $completion"
done
"$bin/vtpmctl" --help | offered >"$scratch/help"
bash -c '. ./'$completion'; COMP_WORDS=(vtpmctl --); COMP_CWORD=1; _vtpmctl; printf "%s\n" "${COMPREPLY[@]}"' |
  LC_ALL=C sort -u >"$scratch/page"
same "options in $completion"
exit $status
