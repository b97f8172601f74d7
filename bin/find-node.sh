# Sourced by both commands, which set self (their name), here (the directory of $0), package (where we are
# installed) and mode (background, if nobody may read what is printed): refuses what Node cannot live with, finds the first Node that is new enough, and sets node and node_flags.
# What costs a process is left for the last moment. See docs/internals/architecture.md, "The front".

newline='
'

refuse() {
  say "$1"
  shift
  for hint in "$@"; do
    say "hint: $hint"
  done
  exit 255
}

# At boot nobody reads standard error. The journal has it already.
say() {
  echo "$self: $1" >&2
  [ "$mode" = background ] && [ -z "${JOURNAL_STREAM-}" ] &&
    (PATH=/usr/bin:/bin:${PATH-}; logger -p daemon.err -t "$self[$$]" -- "$1") 2>/dev/null
}

# Node's own words for these are a dump of its stack, or it hangs. Sets file_limit by the way, and is_scarce where
# nothing says that there are processes left in plenty.
refuse_limits() {
  # A shell ends where it cannot fork. Nor is there a process for syslog.
  few='too few processes are left'
  way='see pids.max of the cgroup (systemd: TasksMax), kernel.pid_max and kernel.threads-max (sysctl)'
  trap 'mode=; refuse "$few" "$way"' EXIT
  # -u is -p in some shells.
  { set -- $(ulimit -Sn; ulimit -v; ulimit -d; ulimit -u 2>/dev/null || ulimit -p); } 2>/dev/null
  trap - EXIT
  file_limit=$1
  [ "$1" = unlimited ] || [ "$1" -ge 24 ] ||
    refuse "too many open files: the limit of $1 is not enough for Node.js" \
      "raise the limit on open files, now $1, before the start: ulimit -n 1024 (systemd: LimitNOFILE=1024)"
  require_kb -v 'address space' "$2" 900000
  require_kb -d 'data segment' "$3" 100000
  trap 'mode=; refuse "$few" "$way"' EXIT
  has_many_processes 2>/dev/null && is_scarce= || is_scarce=yes
  trap - EXIT
  # Root is above this one; who else has a small one may have come to its end.
  if [ "${4:-unlimited}" != unlimited ] && [ "$4" -le 1024 ]; then
    is_scarce=yes
    few="too few processes are left to this user, whose limit is $4 (ulimit -u): spawn-fcgi needs 6 beside the workers"
    refuse_few_processes 5
  elif [ -n "$is_scarce" ]; then
    [ "$mode" = background ] && needed='8 beside the workers' || needed=5
    few="$few: $self needs $needed"
    refuse_few_processes "${needed%% *}" "$way"
  fi
}

require_kb() {
  [ "$3" = unlimited ] || [ "$3" -ge "$4" ] ||
    refuse "the $2 is limited to $3 KB (ulimit $1), and spawn-fcgi needs $4 KB" \
      "the program alone is limited by -- /bin/sh -c 'ulimit $1 $3; exec PROGRAM'"
}

# Whether a hundred more may be started here, as far as the machine and the cgroups tell. A number of ours that is above
# all of them shows that there is room; else somebody reads kernel.pid_max, which a shell cannot (it has one read(2) for
# all of it). That costs a process, mostly in containers.
has_many_processes() {
  read -r _ _ _ tasks _ </proc/loadavg || return
  tasks=${tasks#*/}
  if [ "$$" -lt "$((tasks + 100))" ]; then
    most=$(PATH=/usr/bin:/bin cat /proc/sys/kernel/pid_max) && [ "$((most - tasks))" -ge 100 ] || return
  fi
  while IFS=: read -r _ controllers group; do
    case ,$controllers, in
      ,,) root=/sys/fs/cgroup ;;
      *,pids,*) root=/sys/fs/cgroup/pids ;;
      *) continue ;;
    esac
    [ -d "$root" ] || return
    while :; do
      if read -r most <"$root$group/pids.max" && [ "$most" != max ]; then
        read -r tasks <"$root$group/pids.current" && [ "$((most - tasks))" -ge 100 ] || return
      fi
      [ -n "$group" ] || break
      group=${group%/*}
    done
  done </proc/self/cgroup
}

# As many at once as this command and Node are going to start: shells that wait for each other.
refuse_few_processes() {
  hint=$2
  trap 'mode=; refuse "$few" ${hint:+"$hint"}' EXIT
  nest_shells "$1" 2>/dev/null || exit
  trap - EXIT
}

nest_shells() {
  [ "$1" -eq 0 ] || (nest_shells "$(($1 - 1))" || exit)
}

is_new_enough() {
  [ "$1" -gt 23 ] || { [ "$1" -eq 23 ] && [ "$2" -ge 7 ]; } || { [ "$1" -eq 22 ] && [ "$2" -ge 15 ]; }
}

# Node's headers, or the package.json of npm's package "node", where they lie beside it, spare running it: 7 ms.
has_new_files() {
  if [ ! -h "$1" ]; then
    read_headers "${1%/bin/*}/include/node/node_version.h"
  elif [ "$1" -ef "${1%/bin/*}/lib/node_modules/node/bin/node" ]; then
    read_package "${1%/bin/*}/lib/node_modules/node/package.json"
  elif [ "$1" -ef "${1%/.bin/*}/node/bin/node" ]; then
    read_package "${1%/.bin/*}/node/package.json"
  else
    return 1
  fi && is_new_enough "$major" "$minor" 2>/dev/null
}

read_headers() {
  [ -r "$1" ] || return 1
  while read -r _ key value; do
    case $key in
      NODE_MAJOR_VERSION) major=$value ;;
      NODE_MINOR_VERSION) minor=$value; return ;;
    esac
  done <"$1"
  return 1
}

read_package() {
  [ -r "$1" ] || return 1
  while read -r key value; do
    [ "$key" != '"version":' ] || { split_version "${value#\"}"; return; }
  done <"$1"
  return 1
}

split_version() {
  major=${1%%.*}
  minor=${1#*.}
  minor=${minor%%.*}
}

# Takes $1 if it is a Node that is new enough; remembers what is not.
take() {
  [ -x "$1" ] && [ ! -d "$1" ] && ! was_tried "$1" || return 1
  major= minor=
  if ! has_new_files "$1"; then
    version=$(unset NODE_OPTIONS; exec "$1" --version 2>/dev/null)
    split_version "${version#v}"
    if ! is_new_enough "$major" "$minor" 2>/dev/null; then
      tried=$tried$1$newline
      found="$found, $1 is ${version:-not working}"
      return 1
    fi
  fi
  node=$1
}

# /bin may be a link to /usr/bin.
was_tried() {
  rest=$tried
  while [ -n "$rest" ]; do
    [ "$1" -ef "${rest%%"$newline"*}" ] && return
    rest=${rest#*"$newline"}
  done
  return 1
}

refuse_unbuilt() {
  [ -r "$package/dist/$self.cjs" ] || refuse "this copy was not built, dist/$self.cjs is missing: run npm install && npm run build in $(cd "$package" && pwd -P)"
}

# Whoever runs a command trusts what lies beside it.
take_ours() {
  take "$package/node_modules/.bin/node" || take "$here/node" || take "$package/bin/node" ||
    case $package in */lib/node_modules/*) take "$package/../../../bin/node" ;; *) return 1 ;; esac
}

# An empty or relative entry is whatever the working directory holds.
take_from_path() {
  entries=${PATH-}:
  while [ -n "$entries" ]; do
    case $entries in /*) take "${entries%%:*}/node" && return ;; esac
    entries=${entries#*:}
  done
  return 1
}

# Guesses: root takes only what is root's.
take_usual() {
  uid=$(PATH=/usr/bin:/bin id -u 2>/dev/null)
  set -- /usr/local/bin/node /usr/bin/node /opt/node*/bin/node /opt/node*/*/bin/node \
    /usr/lib/nodejs/bin/node /usr/lib/nodejs/*/bin/node /usr/local/lib/nodejs/*/bin/node
  case ${HOME-} in /*) set -- "$@" "$HOME"/.nvm/versions/node/*/bin/node ;; esac
  for candidate in "$@"; do
    if [ "${uid:-0}" -eq 0 ] && [ -x "$candidate" ] && ! { [ -O "$candidate" ] && [ -O "${candidate%/*}" ]; }; then
      found="$found, $candidate is not owned by root"
    else
      take "$candidate" && return
    fi
  done
  return 1
}

find_node() {
  least='Node.js 22.15 or later (of 23: 23.7 or later)'
  node= tried= found=
  get="npm install --global --prefix /opt/node node@24 brings one; docs/install.md tells other ways"
  if take_ours || take_from_path || take_usual; then
    # No compiled code in memory: runs under MemoryDenyWriteExecute=yes, with half the address space, and as fast
    # for what we do. One thread of V8 instead of four.
    node_flags='--jitless --v8-pool-size=1'
    # They print a warning without it; later ones do not know it.
    case $major in 22 | 23) node_flags="$node_flags --no-expose-wasm" ;; esac
    # A secret for hashes and all of Node's strings hashed anew with it are 3 ms of a start (nobody's strings are keys
    # here but the owner's), a collection on the way 1 ms. Tried with these.
    case $major in 22 | 23 | 24 | 25 | 26) node_flags="$node_flags --no-rehash-snapshot --min-semi-space-size=4" ;; esac
    return
  fi
  [ -n "$found" ] || refuse "Node.js is not installed: no 'node' in PATH or in the usual places; $self needs ${least#Node.js }" "$get"
  refuse "$least is needed, ${found#, }" "$get"
}

refuse_unbuilt
refuse_limits
find_node
