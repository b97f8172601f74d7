// An image by a Dockerfile, as far as it can be made without Docker: what is run in its first stage, what its copies put
// where, its user, its command and its health check. What a stage is based on, and packages, are this machine's.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import * as machine from '../machine/index.ts';
import { startContainer } from './container.ts';

export interface DockerImage {
  user: { uid: number; gid: number };
  command: string[];
  healthCheck: string[];
  /** Directories of this machine by their path in a container. */
  files: Record<string, string>;
}

interface Instruction {
  name: string;
  argument: string;
}

function parse(text: string): Instruction[] {
  return text
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => ({ name: line.split(' ', 1)[0] ?? '', argument: line.slice(line.indexOf(' ') + 1) }));
}

/** `context` is the directory that the first stage copies from; npm's packages come from its cache. */
export async function buildImage(text: string, context: string, npmCache: string): Promise<DockerImage> {
  const instructions = parse(text);
  const second = instructions.findLastIndex(({ name }) => name === 'FROM');
  const build = machine.makeTempDir();
  for (const { name, argument } of instructions.slice(0, second)) {
    const [from = '', to = ''] = argument.split(' ');
    if (name === 'COPY') fs.cpSync(join(context, from), join(build, to, from), { recursive: true });
    if (name === 'RUN') await runInStage(build, argument, npmCache);
  }
  const rest = instructions.slice(second);
  const local = machine.makeTempDir();
  for (const { argument } of rest.filter(({ name }) => name === 'COPY'))
    copyFromStage(argument, build, local);
  const last = (wanted: string): string => rest.findLast(({ name }) => name === wanted)?.argument ?? '';
  const [uid = 0, gid = 0] = last('USER').split(':').map(Number);
  return {
    user: { uid, gid },
    command: JSON.parse(last('CMD')) as string[],
    healthCheck: JSON.parse(last('HEALTHCHECK').replace(/^.* CMD /, '')) as string[],
    files: { '/usr/local': local, '/srv/app': join(context, 'app') },
  };
}

/** In /tmp and /opt of the stage, without a network. */
async function runInStage(build: string, command: string, npmCache: string): Promise<void> {
  for (const name of ['tmp', 'opt']) fs.mkdirSync(join(build, name), { recursive: true });
  const container = await startContainer({
    args: ['/bin/sh', '-ec', command],
    env: { npm_config_cache: '/root', npm_config_offline: 'true', npm_config_audit: 'false', HOME: '/tmp' },
    volumes: { '/tmp': join(build, 'tmp'), '/opt': join(build, 'opt'), '/root': npmCache },
  });
  const { status } = await container.ended;
  if (status !== 0) throw new Error(`RUN ${command}: ${container.stderr()}`);
}

/** The first stage's Node is this one; the application's files are mounted. */
function copyFromStage(argument: string, build: string, local: string): void {
  const [, from = '', to = ''] = /^--from=\S+ (\S+) (\S+)$/.exec(argument) ?? [];
  if (from === '') return;
  const target = join(local, to.replace(/^\/usr\/local\//, '/'));
  fs.mkdirSync(target, { recursive: true });
  if (from.endsWith('/bin/node')) fs.copyFileSync(process.execPath, join(target, 'node'));
  else fs.cpSync(join(build, from), target, { recursive: true, verbatimSymlinks: true });
  fs.chmodSync(dirname(target), 0o755);
}
