#compdef spawn-fcgictl
# zsh completion of spawn-fcgictl, made from its commands.

# The pools that run, by the names that a command takes; never longer than a moment, and without a word.
_spawn-fcgictl-targets() {
  local -a lines targets shown where
  local line
  [[ -z $directory ]] || where=(--state-dir ${(Q)directory})
  lines=(${(f)"$(command timeout 2 ${~${(Q)program}} $where completion targets 2>/dev/null </dev/null)"})
  for line in $lines; do
    targets+=(${line%%$'\t'*})
    shown+=("${line%%$'\t'*}  ${line#*$'\t'}")
  done
  (( $#targets )) && compadd -l -d shown -a targets && return
  _files
}

_spawn-fcgictl() {
  local program=$words[1] curcontext=$curcontext state line directory
  local -A opt_args
  local -a general commands
  directory=${words[(r)--state-dir=*]#*=}
  [[ -n $directory || ${words[(i)--state-dir]} -ge CURRENT-1 ]] || directory=$words[$words[(i)--state-dir]+1]
  general=(
    # @general
  )
  commands=(
    # @commands
  )
  _arguments -C -s $general '1: :->command' '*:: :->rest' && return
  if [[ $state == command ]]; then
    _describe -t commands command commands
    return
  fi
  case $line[1] in
    # @operands
  esac
}

# As the file of a function, and by eval.
if [[ $funcstack[1] == _spawn-fcgictl ]]; then _spawn-fcgictl "$@"; else compdef _spawn-fcgictl spawn-fcgictl; fi
