# Sourced by the reader of bin/spawn-fcgi, with own_proc, has_sigchld and await_end, where processes are scarce: without
# threads enough Node waits for ever, before its first line of JavaScript, also when there are enough again. Somebody
# beside the reader waits for that line, only so long. (Elsewhere nothing may hurry a Node that is slow.) Who cannot fork
# ends, and ends Node, whose PID is in supervisor. Sets watch, and was_ended if it
# ended Node; the reader finds in its pipe whom end_watch ends, and has it in sleep.

most_seconds=30
ended_by_watch=3

watch_node() {
  # What is to be ended is named by its number in /proc.
  [ -n "$own_proc" ] || return 0
  trap end_node EXIT
  (
    trap end_node EXIT
    read_start_time "$supervisor" && started=$start_time
    (
      # By this the reader ends it. Only KILL will do: the caller may have had TERM ignored, or blocked.
      read_start_time self && echo "sleep ${stat%% *} $start_time" >&4
      PATH=/usr/bin:/bin:${PATH-}
      exec sleep "$most_seconds" 4>&-
    ) &
    exec 4>&-
    trap - EXIT
    # Where there is no sleep nobody is ended.
    wait "$!" && end_node && exit "$ended_by_watch"
  ) </dev/null >/dev/null 2>&1 3>&- &
  watch=$!
  trap - EXIT
}

end_node() {
  # Its number may be another's by now.
  [ -z "${started-}" ] || { read_start_time "$supervisor" && [ "$start_time" = "$started" ]; } || return
  kill -KILL "$supervisor"
}

read_start_time() {
  read -r stat <"/proc/$1/stat" || return
  set -- ${stat##*") "}
  start_time=${20}
}

end_watch() {
  ! read_start_time "${sleep% *}" 2>/dev/null || [ "$start_time" != "${sleep#* }" ] || kill -KILL "${sleep% *}"
  # Where SIGCHLD is blocked it does not see that.
  [ -n "$has_sigchld" ] || kill -KILL "$watch"
  await_end "$watch"
  [ $? -ne "$ended_by_watch" ] || was_ended=yes
  watch=
}
