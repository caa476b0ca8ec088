# SPDX-License-Identifier: MIT
# Completion of vtpmctl's commands, options and uuids, for bash.
_vtpmctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} command= word
  local commands="list show create set delete quarantine power-cycle rekey invite export release import move peers backup revert clone stats events trace doctor check-xenstore"
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " $commands " in *" $word "*) command=$word; break ;; esac
  done
  local options="--json --runtime-dir --help"
  case $command in
    "") options="$commands $options --version" ;;
    create)
      options="$options --label --localities --physical-presence-command --endorsement-key --enabled --activated
        --measure" ;;
    show) options="$options --ek --ca --log --raw --history" ;;
    set) options="$options --measure" ;;
    quarantine) options="$options --lift --reason" ;;
    rekey) options="$options --new-key" ;;
    invite) options="$options --for --out --withdraw" ;;
    export) options="$options --to --out --trust --wait --abort" ;;
    release) options="$options --receipt --out" ;;
    import)
      options="$options --out --trust --swtpm --yes --uuid --label --key --key-format --pwdfile --kdf --source-lost" ;;
    move) options="$options --ssh --ssh-command --trust" ;;
    peers) options="$options --forget" ;;
    clone) options="$options --keep-identity" ;;
    backup) options="$options --to" ;;
    revert) options="$options --yes --key --trust --source-lost" ;;
    stats) options="$options --prometheus" ;;
    events) options="$options --past" ;;
    trace) options="$options --write --read" ;;
  esac
  [[ $command = import && ${COMP_WORDS[COMP_CWORD-1]} = --source-lost ]] && command=uuid
  case $command in
    uuid | show | set | delete | quarantine | power-cycle | export | release | move | trace | backup | revert | clone)
      options="$options $(vtpmctl list 2>/dev/null | awk 'NR > 1 { print $1 }')" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}
complete -F _vtpmctl vtpmctl
