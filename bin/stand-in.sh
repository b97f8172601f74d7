# Sourced by bin/spawn-fcgi, with node and node_flags, for a supervisor in the foreground. Until it listens, TERM ends Node.
# Should that happen, a child of ours runs the start once more, as one that is interrupted: it ends what a killed
# supervisor has left, if there is any. Node turns it away.

may_have_orphans() {
  for base in /run/spawn-fcgi "${XDG_RUNTIME_DIR-}/spawn-fcgi" "${RUNTIME_DIRECTORY-}" /tmp/spawn-fcgi-*; do
    for state in "$base"/*.state; do [ -e "$state" ] && return; done
  done
  case " $*" in *" --stat"*) ;; *) return 1 ;; esac
}

parent_is_there() {
  read -r stat </proc/self/stat || return
  rest=${stat##*") "}
  rest=${rest#? }
  [ "${rest%% *}" -eq "$$" ]
}

if may_have_orphans "$@"; then
  (
    trap '' HUP INT QUIT TERM
    while parent_is_there; do sleep 0.05 || sleep 1; done
    SPAWN_FCGI_INTERRUPTED=SIGTERM
    exec "$node" $node_flags --disable-sigusr1 --expose-gc "$0" "$@"
  ) </dev/null >/dev/null 2>&1 &
  export SPAWN_FCGI_STAND_IN=$!
fi
