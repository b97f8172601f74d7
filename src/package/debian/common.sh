# Put into each of the package's scripts by the build. Debian's package spawn-fcgi has /usr/bin/spawn-fcgi as a plain file,
# whenever it is installed: it is diverted to another name, and update-alternatives has the link in its place.
name=spawn-fcgi-node
lib=/usr/lib/spawn-fcgi
command=/usr/bin/spawn-fcgi
page=/usr/share/man/man1/spawn-fcgi.1.gz
our_page=/usr/share/man/man1/spawn-fcgi.node.1.gz

# A diversion of the administrator's does the same, and is left alone.
divert() {
  [ -z "$(dpkg-divert --listpackage "$1")" ] || return 0
  rename=--rename
  # A link is no package's file: update-alternatives puts its own there.
  if [ -h "${DPKG_ROOT-}$1" ]; then
    rename=--no-rename
    target=$(readlink "${DPKG_ROOT-}$1")
    [ "${target#/etc/alternatives/}" != "$target" ] || echo "$name: $1, a link to $target, makes room for ours"
  fi
  dpkg-divert --package "$name" --divert "$2" "$rename" --add "$1"
}

# Where Debian's program is, or would be; sets there and slave.
find_lighttpd() {
  there=$(dpkg-divert --truename "$command")
  their_page=$(dpkg-divert --truename "$page")
  # Not diverted, it is no alternative.
  slave=
  [ "$their_page" = "$page" ] || [ ! -e "${DPKG_ROOT-}$their_page" ] ||
    slave="--slave $page spawn-fcgi.1.gz $their_page"
}

# Debian's program is an alternative as long as it is there.
register_lighttpd() {
  find_lighttpd
  [ "$there" != "$command" ] || return 0
  if [ -x "${DPKG_ROOT-}$there" ]; then
    update-alternatives --install "$command" spawn-fcgi "$there" 40 $slave
  else
    update-alternatives --remove spawn-fcgi "$there"
  fi
}

reload_units() {
  [ -z "${DPKG_ROOT-}" ] && [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload || true
}

# The supervisors of this system that run on our Node, one a line: "PID: what gives it another version". $1: deleted, if
# only those whose files have been replaced.
list_pools() {
  [ -z "${DPKG_ROOT-}" ] || return 0
  # The name may be the other's.
  ours=spawn-fcgi
  [ "$command" -ef "$lib/bin/spawn-fcgi" ] || ours=$lib/bin/spawn-fcgi
  ls -l /proc/[0-9]*/exe 2>/dev/null | grep " -> $lib/node_modules/node/bin/node.*${1-}" | while read -r line; do
    pid=${line#*/proc/}
    pid=${pid%%/exe *}
    # The name of a file may hold a whole line of such a listing.
    case $pid in '' | *[!0-9]*) continue ;; esac
    # Another container's has a root of its own.
    [ "/proc/$pid/root" -ef / ] || continue
    words=$(read_options "$pid") || continue
    unit=$(find_unit "$pid") && user=$(find_other_user "$pid") || continue
    # So that PID may be anybody's, such as that of sudo, which is root's with a command line of the user's.
    case $(readlink "/proc/$pid/exe") in "$lib"/node_modules/node/bin/node*) ;; *) continue ;; esac
    # What others have started root is not to type, nor what is not there as a whole.
    if [ -n "$unit" ]; then
      case $unit in -*) ends_options='-- ' ;; *) ends_options= ;; esac
      renewal="systemctl restart $ends_options$(quote "$unit")$(describe_loss "$unit")" user=
    elif [ -n "$words" ] && [ -z "$user" ]; then
      renewal="$ours --replace$words"
    else
      renewal=$unknown_renewal
    fi
    printf '  PID %s%s: %s\n' "$pid" "${user:+ of $user}" "$renewal"
  done
  # Whoever ended meanwhile is no reason to fail.
  true
}
unknown_renewal='the command that started it, with --replace'

quote() {
  case $1 in
    *[!A-Za-z0-9_./:=,@%+-]*) printf %s "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/" ;;
    *) printf %s "$1" ;;
  esac
}

# The unit of systemd whose main process it is. Users name control groups of their own: as an option, or as a pattern.
find_unit() {
  [ -d /run/systemd/system ] || return 0
  unit=$(sed -n 's|.*/\([A-Za-z0-9:_.\\@-]*\.service\)$|\1|p' "/proc/$1/cgroup" 2>/dev/null | head -n 1)
  [ -z "$unit" ] || [ "$(systemctl show -p MainPID --value -- "$unit" 2>/dev/null)" != "$1" ] || printf '%s\n' "$unit"
}

# Between two supervisors the socket is kept by the unit's store, or by another unit.
describe_loss() {
  kept=$(systemctl show -p FileDescriptorStoreMax -p TriggeredBy --value -- "$1" 2>/dev/null | tr -d '\n')
  [ "$kept" != 0 ] || printf %s "$loss"
}
loss=', which refuses connections for a moment (no FileDescriptorStoreMax=)'

# The user it runs as, unless root has started it: then it is root's, or has its state where only root's have theirs.
# 1: it has ended.
find_other_user() {
  uid=$(sed -n 's/^Uid:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null)
  [ -n "$uid" ] || return 1
  [ "$uid" != 0 ] && ! has_state "$1" || return 0
  name_of_user=$(getent passwd "$uid" | cut -d: -f1)
  printf '%s\n' "${name_of_user:-$uid}"
}

# Whether a state of root's is that supervisor's. The PID has to stand in front of every list: those are of workers, too.
has_state() {
  # In /proc/PID/stat a name with anything in it stands in front.
  start_time=$(sed -n '$s/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20)
  facts='("([^"\\]|\\.)*"|[^]["{}])*'
  grep -Eqs "^\{\"sequence\":$facts\"pid\":$1,\"startTime\":\"${start_time:-none}\"" /run/spawn-fcgi/*.state
}

# Its command line is PROGRAM, spawn-fcgi, our arguments, which are printed for a shell. Nothing is where they are not
# there as a whole: with a long PROGRAM that stands once with its arguments in front, and what there is room for of ours
# behind it. 1: it is no supervisor; of spawn-fcgictl, or a start under way, it is Node's.
read_options() {
  tr '\0\n' '\n\001' 2>/dev/null <"/proc/$1/cmdline" | {
    position=0 kind=none words= blanks=
    while IFS= read -r word; do
      position=$((position + 1))
      if [ "$kind" = whole ]; then
        case $word in
          '') blanks="$blanks ''" ;;
          *[[:cntrl:]]*) kind=partial ;;
          *)
            words=$words$blanks blanks=
            # In front of the program it is ours.
            case "$word,$words " in --replace,*' -- '*) ;; --replace,*) continue ;; esac
            words="$words $(quote "$word")"
            ;;
        esac
      elif [ "$word" = spawn-fcgi ]; then
        case $position,$kind in 2,*) kind=whole ;; *,none) kind=partial ;; esac
      elif [ "$position" -eq 1 ]; then
        case $word in */node_modules/*) kind=of-node ;; esac
      fi
    done
    # Behind the whole of it there is room, which nothing tells from a last argument ''.
    case $kind in none | of-node) return 1 ;; whole) [ -z "$blanks" ] || printf '%s\n' "$words" ;; esac
  }
}
