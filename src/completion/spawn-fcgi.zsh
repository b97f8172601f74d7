#compdef spawn-fcgi
# zsh completion of spawn-fcgi, made from its table of options.

_spawn-fcgi() {
  local end=${words[(i)--]}
  if (( end < CURRENT )); then
    shift end words
    (( CURRENT -= end ))
    # A program without a slash is looked for in the working directory, not in PATH.
    if (( CURRENT == 1 )); then _files -g '*(-*)'; else _normal; fi
    return
  fi
  _arguments -s -S : \
    # @specs
    '*:program:_files -g "*(-*)"'
}

# As the file of a function, and by eval.
if [[ $funcstack[1] == _spawn-fcgi ]]; then _spawn-fcgi "$@"; else compdef _spawn-fcgi spawn-fcgi; fi
