# bash completion of spawn-fcgictl, made from its commands; bash-completion is not needed.
# @prelude

# Sets kind and choices of what an option of a command takes; 1: it takes nothing.
_spawn_fcgictl_takes() {
  choices=
  case $1 in
    # @takes
    *) return 1 ;;
  esac
}

# The pools that run, by the names that a command takes; never longer than a moment, and without a word.
_spawn_fcgictl_targets() {
  local line target quoted open=
  local -a where=()
  [[ -z $directory || $directory == *[\"\'\$\`\\~]* ]] || where=(--state-dir "$directory")
  [[ $cur != [\"\']* ]] || open=${cur:0:1} cur=${cur:1}
  while IFS= read -r line; do
    target=${line%%$'\t'*}
    # What ends the quotes, or means something in them, whoever presses Enter would run.
    case ${open:-no}$target in
      no*) printf -v quoted %q "$target" ;;
      \'*\'* | \"*[\"\$\`\\!]*) continue ;;
      *) quoted=$target ;;
    esac
    [[ $target != "$cur"* && $quoted != "$cur"* ]] || COMPREPLY+=("$quoted")
  done < <(timeout 2 "$1" "${where[@]}" completion targets 2>/dev/null </dev/null)
  _spawn_fcgi_trim
  ((${#COMPREPLY[@]} > 0)) || compopt -o default
}

_spawn_fcgictl() {
  local cur kind choices at wanted= command= operands=0 directory=
  local -a words places
  _spawn_fcgi_words
  for ((at = 1; at < ${#words[@]} - 1; at++)); do
    if [[ $wanted ]]; then
      [[ $wanted != --state-dir ]] || directory=${words[at]}
      wanted=
      continue
    fi
    case ${words[at]} in
      --state-dir=*) directory=${words[at]#*=} ;;
      --*=*) ;;
      -*) ! _spawn_fcgictl_takes "$command ${words[at]}" || wanted=${words[at]} ;;
      *) if [[ $command ]]; then ((operands += 1)); else command=${words[at]}; fi ;;
    esac
  done
  if [[ $wanted ]]; then
    _spawn_fcgictl_takes "$command $wanted"
    _spawn_fcgi_value "$kind"
  elif [[ $cur == --*=* ]]; then
    wanted=${cur%%=*} cur=${cur#*=}
    [[ $COMP_WORDBREAKS == *=* ]] && _spawn_fcgictl_takes "$command $wanted" && _spawn_fcgi_value "$kind"
  elif [[ $cur == -* ]]; then
    case $command in
      # @options
      *) choices='@general@' ;;
    esac
    _spawn_fcgi_value words
  elif [[ ! $command ]]; then
    choices='@commands@'
    _spawn_fcgi_value words
  else
    case $command-$operands in
      # @operands
    esac
  fi
}

complete -F _spawn_fcgictl spawn-fcgictl
