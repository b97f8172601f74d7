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
  # A link is nobody's file: update-alternatives sees to it.
  [ -h "${DPKG_ROOT-}$1" ] && rename=--no-rename || rename=--rename
  dpkg-divert --package "$name" --divert "$2" "$rename" --add "$1"
}

# Where Debian's program is, or would be; sets there and slave.
find_lighttpd() {
  there=$(dpkg-divert --truename "$command")
  their_page=$(dpkg-divert --truename "$page")
  [ -e "${DPKG_ROOT-}$their_page" ] && slave="--slave $page spawn-fcgi.1.gz $their_page" || slave=
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
  ls -l /proc/[0-9]*/exe 2>/dev/null | grep " -> $lib/node_modules/node/bin/node.*${1-}" | while read -r line; do
    pid=${line#*/proc/}
    pid=${pid%%/exe *}
    # Another container's has a root of its own.
    [ "/proc/$pid/root" -ef / ] || continue
    renewal=$(describe_renewal "$pid") || continue
    echo "  PID $pid: $renewal"
  done
  # Whoever ended meanwhile is no reason to fail.
  true
}

# By its command line, which is PROGRAM, spawn-fcgi, our arguments; of spawn-fcgictl, or a start under way, it is Node's.
describe_renewal() {
  unit=$(sed -n 's|.*/\(spawn-fcgi@[^/]*\.service\)$|\1|p' "/proc/$1/cgroup" 2>/dev/null)
  position=0 renewal=
  tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | {
    while IFS= read -r word; do
      position=$((position + 1))
      case $position,$word in
        1,*) ;;
        2,spawn-fcgi) renewal='spawn-fcgi --replace' ;;
        2,*) return 1 ;;
        # What is left of the memory behind it.
        *,) ;;
        *[!A-Za-z0-9_./:=,@%+-]*) renewal="$renewal $(printf %s "$word" | sed "s/'/'\\\\''/g; s/^/'/; s/\$/'/")" ;;
        *) renewal="$renewal $word" ;;
      esac
    done
    [ -n "$renewal" ] || return 1
    [ -z "$unit" ] || renewal="systemctl restart $unit"
    echo "$renewal"
  }
}
