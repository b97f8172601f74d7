// Gives a test run of root a /run of its own, in which there are no pools of the machine beside it, and hides those of
// users in /tmp: what tests leave there is theirs then, and nothing that they do can reach a pool in service.
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** Set in the run whose /run is its own. */
const OWN = 'SPAWN_FCGI_TEST_OWN_RUN';

/** Everything else that is in /run stays where it is. In a mount namespace, to which unshare(1) makes all mounts private. */
const script = `
set -e
old=$(mktemp -d)
mount --rbind /run "$old"
mount -t tmpfs -o mode=755 spawn-fcgi-test /run
for entry in "$old"/* "$old"/.[!.]*; do
  name=\${entry##*/}
  if [ "$name" = spawn-fcgi ]; then continue; fi
  if [ -h "$entry" ]; then cp -P "$entry" "/run/$name"
  elif [ -d "$entry" ]; then mkdir -p "/run/$name" && mount --rbind "$entry" "/run/$name"
  elif [ -e "$entry" ]; then : >"/run/$name" && mount --bind "$entry" "/run/$name"
  fi
done
for base in /tmp/spawn-fcgi-[0-9]*; do
  if [ -d "$base" ] && [ ! -h "$base" ]; then
    mount -t tmpfs -o "mode=700,uid=\${base##*-}" spawn-fcgi-test "$base"
  fi
done
umount -l "$old"
rmdir "$old"
export ${OWN}=1
exec "$@"`;

/** Runs this program with these arguments there; its exit status, or undefined where it runs on itself. */
export function runInOwnPlace(args: readonly string[]): number | undefined {
  if (hasOwnRun() || process.getuid?.() !== 0 || !canUnshare()) return undefined;
  const command = ['--mount', '/bin/sh', '-c', script, 'sh', process.execPath, ...process.execArgv, ...args];
  const { status, signal } = spawnSync('unshare', command, { stdio: 'inherit' });
  return status ?? 128 + (signal ? constants.signals[signal] : 0);
}

export function hasOwnRun(): boolean {
  return process.env[OWN] === '1';
}

/** A container may forbid it. */
function canUnshare(): boolean {
  return (
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/run'], { stdio: 'ignore' }).status ===
    0
  );
}
