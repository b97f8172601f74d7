// `docker run` in the words of crun: the options that docs/containers.md uses.
import type { DockerImage } from './docker-image.ts';
import type { ContainerOptions } from './container.ts';
import { defaultCapabilities } from './runtime-config.ts';

/** The words behind `docker run`; throws for an option that is not known here. */
export function translateDockerRun(words: readonly string[], image: DockerImage): ContainerOptions {
  const options: ContainerOptions = { args: image.command, user: image.user, files: image.files };
  const tmpfs: string[] = [];
  let capabilities = [...defaultCapabilities];
  let hasInit = false;
  const rest = [...words];
  const next = (): string => rest.shift() ?? '';
  for (let word = next(); word.startsWith('-'); word = next()) {
    if (word === '--init') hasInit = true;
    else if (word === '--read-only') options.isReadOnly = true;
    else if (word === '--tmpfs') tmpfs.push(next());
    else if (word === '--memory') options.memoryMiB = Number.parseInt(next(), 10);
    else if (word === '--user') options.user = parseUser(next());
    else if (word === '--cap-add') capabilities.push(next());
    else if (word === '--cap-drop' && next() === 'ALL') capabilities = [];
    else if (word !== '--rm') throw new Error(`docker run ${word}: not known to the tests`);
  }
  // The image's name came last.
  const command = rest.length > 0 ? rest : image.command;
  return { ...options, tmpfs, capabilities, args: hasInit ? ['tini', '--', ...command] : command };
}

/** `UID:GID`; the group is the user's number without it. */
export function parseUser(text: string): { uid: number; gid: number } {
  const [uid = 0, gid = uid] = text.split(':').map(Number);
  return { uid, gid };
}
