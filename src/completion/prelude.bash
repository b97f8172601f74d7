# The words up to the cursor, not split at : and =, and the place of each among the shell's.
_spawn_fcgi_words() {
  local rest=${COMP_LINE:0:COMP_POINT} at piece
  words=() places=()
  for ((at = 0; at <= COMP_CWORD; at++)); do
    piece=${COMP_WORDS[at]}
    if ((at == 0)) || [[ $rest == [[:space:]]* ]]; then
      rest=${rest#"${rest%%[![:space:]]*}"}
      words+=('') places+=("$at")
    fi
    ((at < COMP_CWORD)) || piece=$rest
    rest=${rest#"$piece"}
    words[${#words[@]} - 1]+=$piece
  done
  cur=${words[${#words[@]} - 1]}
}

# Completes $cur: a file, directory, user, group, one of $choices, or (path) one of them or a file. Where there is nothing
# to say the shell completes paths, which it does with spaces and quotes in them.
_spawn_fcgi_value() {
  case $1 in
    user) COMPREPLY=($(compgen -u -- "$cur")) ;;
    group) COMPREPLY=($(compgen -g -- "$cur")) ;;
    directory) compopt -o filenames -o dirnames ;;
    file) compopt -o default ;;
    path)
      COMPREPLY=($(compgen -W "$choices" -- "$cur"))
      compopt -o default
      ;;
    *) COMPREPLY=($(compgen -W "$choices" -- "$cur")) ;;
  esac
  [[ ${COMPREPLY-} != *= ]] || compopt -o nospace
  _spawn_fcgi_trim
}

# The shell replaces what is behind the last : or = only.
_spawn_fcgi_trim() {
  local behind=${cur##*[:=]} kept
  kept=${cur%"$behind"}
  [[ -z $kept || $COMP_WORDBREAKS != *"${kept: -1}"* ]] || COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
