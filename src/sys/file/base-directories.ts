// Where pools keep their files. Alone in its file, so that spawn-fcgictl need not load libc for it.
import { lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** What the environment says about directories for files that last as long as a session, or a unit. */
export interface RuntimeDirectories {
  /** XDG_RUNTIME_DIR. */
  readonly ofUser?: string | undefined;
  /** RUNTIME_DIRECTORY: those of a systemd unit (systemd.exec(5)), with colons between them. */
  readonly ofUnit?: string | undefined;
}

/** Where pool files live for this user, in the order to try (docs/options.md, "Files"). */
export function baseDirectories(stateDir: string | undefined, runtime: RuntimeDirectories): string[] {
  if (stateDir !== undefined) return [followOwnLink(stateDir)];
  const uid = process.getuid?.() ?? 0;
  // A unit of root's may see /run read-only, but for its own directory (ProtectSystem=strict).
  if (uid === 0) return ['/run/spawn-fcgi', ...unitDirectory(runtime)];
  const preferred = runtimeDirectory(runtime);
  return [...(preferred === undefined ? [] : [preferred]), `/tmp/spawn-fcgi-${uid}`];
}

/** A relative one is to be ignored (XDG Base Directory Specification). That of a unit is the unit's alone. */
function runtimeDirectory({ ofUser, ofUnit }: RuntimeDirectories): string | undefined {
  if (ofUser?.startsWith('/')) return join(ofUser, 'spawn-fcgi');
  return ofUser === undefined || ofUser === '' ? unitDirectory({ ofUnit })[0] : undefined;
}

function unitDirectory({ ofUnit }: RuntimeDirectories): string[] {
  const [first] = ofUnit?.split(':') ?? [];
  return first?.startsWith('/') ? [followOwnLink(first)] : [];
}

/** One that is a link of root's or of ours is where that leads; nobody else can choose the place for us. */
function followOwnLink(path: string): string {
  try {
    const { uid } = lstatSync(path);
    return uid === 0 || uid === process.getuid?.() ? realpathSync.native(path) : path;
  } catch {
    return path;
  }
}
