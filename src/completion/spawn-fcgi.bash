# bash completion of spawn-fcgi, made from its table of options; bash-completion is used where it is there, not needed.
# @prelude

# Sets kind and choices of what an option takes; 1: it takes nothing.
_spawn_fcgi_takes() {
  choices=
  case $1 in
    # @takes
    *) return 1 ;;
  esac
}

_spawn_fcgi() {
  local cur kind choices at letters wanted= program=
  local -a words places
  _spawn_fcgi_words
  for ((at = 1; at < ${#words[@]} - 1; at++)); do
    if [[ $wanted ]]; then
      wanted=
      continue
    fi
    case ${words[at]} in
      --) program=$((at + 1)) && break ;;
      --*=*) ;;
      --*) ! _spawn_fcgi_takes "${words[at]}" || wanted=${words[at]} ;;
      -?*)
        for ((letters = 1; letters < ${#words[at]}; letters++)); do
          _spawn_fcgi_takes "-${words[at]:letters:1}" || continue
          ((letters + 1 < ${#words[at]})) || wanted=-${words[at]:letters:1}
          break
        done
        ;;
    esac
  done
  if [[ $program ]]; then
    # A program without a slash is looked for in the working directory, not in PATH.
    if ((program == ${#words[@]} - 1)) || ! declare -F _command_offset >/dev/null; then compopt -o default
    else _command_offset "${places[program]}"; fi
  elif [[ $wanted ]]; then
    _spawn_fcgi_takes "$wanted"
    _spawn_fcgi_value "$kind"
  elif [[ $cur == --*=* ]]; then
    wanted=${cur%%=*} cur=${cur#*=}
    [[ $COMP_WORDBREAKS == *=* ]] && _spawn_fcgi_takes "$wanted" && _spawn_fcgi_value "$kind"
  elif [[ $cur == -* ]]; then
    choices='@options@'
    _spawn_fcgi_value words
  else
    compopt -o default
  fi
}

complete -F _spawn_fcgi spawn-fcgi
