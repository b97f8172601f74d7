// The image and the commands of docs/containers.md, as far as they can be run without Docker.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, type TestContext } from 'vitest';
import { findPython, pythonVenv } from '../helpers/build/index.ts';
import * as containers from '../helpers/container/index.ts';
import { isRoot, makeTempDir, waitFor } from '../helpers/machine/index.ts';
import * as pages from '../helpers/pages/index.ts';

const checkout = join(import.meta.dirname, '../..');
const php = '<?php if (isset($_GET["hold"])) readfile($_GET["hold"]); echo "hello\\n"; ?>\n';

let image: containers.DockerImage | undefined;
let missing = 'needs crun';

function needImage(ctx: TestContext): containers.DockerImage {
  containers.needContainers(ctx, 'tini', 'npm', '/usr/bin/php-cgi');
  return image ?? ctx.skip(missing);
}

beforeAll(async () => {
  if (!isRoot) return;
  const context = makeTempDir();
  const npm = (...args: string[]): string =>
    execFileSync('npm', args, {
      cwd: checkout,
      encoding: 'utf8',
      env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' },
    }).trim();
  npm('pack', '--ignore-scripts', '--silent', '--pack-destination', context);
  mkdirSync(join(context, 'app'));
  writeFileSync(join(context, 'app/index.php'), php);
  const [text = ''] = pages.containerBlocks('dockerfile');
  try {
    image = await containers.buildImage(text, context, npm('config', 'get', 'cache'));
  } catch (error) {
    missing = String(error);
  }
}, 120_000);

/** The pool is up. */
async function run(words: readonly string[], own: containers.DockerImage): Promise<containers.Container> {
  const container = await containers.startContainer(containers.translateDockerRun(words, own));
  await waitFor('the pool', () => container.stderr().includes('pool up on')).catch((cause: unknown) => {
    throw new Error(container.stderr(), { cause });
  });
  return container;
}

test.for(pages.containerCommands('sh docker'))(
  '%j serves, and docker stop ends it with 0',
  async (words, ctx) => {
    const own = needImage(ctx);
    expect(words.slice(0, 2)).toEqual(['docker', 'run']);
    const container = await run(words.slice(2), own);
    if (!words.includes('/run/app.sock')) {
      expect(await container.exec(own.healthCheck)).toMatchObject({ status: 0 });
      const request = ['spawn-fcgictl', 'request', ':9000', '/index.php', '--root', '/srv/app'];
      expect((await container.exec(request)).stdout).toContain('hello\n');
    }
    expect(await containers.stopContainer(container)).toMatchObject({ status: 0, isKilled: false });
  },
);

test('what the page has behind docker exec works', async (ctx) => {
  const own = needImage(ctx);
  const container = await run(['app:42'], own);
  for (const words of pages.containerCommands('sh exec'))
    expect(await container.exec(words), words.join(' ')).toMatchObject({ status: 0, stderr: '' });
  await containers.stopContainer(container);
});

test('a program that the image lacks ends it with the words of the page', async (ctx) => {
  const own = needImage(ctx);
  const command = own.command.map((word) => (word === '/usr/bin/php-cgi' ? '/usr/bin/absent' : word));
  const container = await containers.startContainer({ ...own, args: command });
  expect(await container.ended).toMatchObject({ status: 2 });
  expect(container.stderr()).toContain("there is no '/usr/bin/absent'");
});

interface Service {
  command: string[];
  user: string;
  read_only: boolean;
  tmpfs: string[];
  cap_drop: string[];
  healthcheck: { test: string[] };
}

/** What the page has for Compose, by a YAML parser of Python's. */
function readServices(ctx: TestContext): Record<string, Service> {
  const found = findPython();
  if (found === undefined) return ctx.skip('needs python3 with venv');
  const [input = ''] = pages.containerBlocks('yaml compose');
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))';
  const python3 = join(pythonVenv(found, ['PyYAML==6.0.3']), 'bin/python3');
  const json = execFileSync(python3, ['-c', script], { input, encoding: 'utf8' });
  return (JSON.parse(json) as { services: Record<string, Service> }).services;
}

test('the services of Compose share a socket: a restart of one finishes a request of the other', async (ctx) => {
  containers.needContainers(ctx, 'nginx');
  const own = needImage(ctx);
  const { app, nginx } = readServices(ctx);
  if (!app || !nginx) throw new Error('the page has no such services');
  const [volume, dir] = [makeTempDir(), makeTempDir()];
  chmodSync(volume, 0o1777);
  const options: containers.ContainerOptions = {
    args: app.command,
    user: containers.parseUser(app.user),
    isReadOnly: app.read_only,
    tmpfs: app.tmpfs,
    capabilities: app.cap_drop.includes('ALL') ? [] : containers.defaultCapabilities,
    volumes: { '/run/app': volume },
    files: own.files,
  };
  const startHealthy = async (): Promise<containers.Container> => {
    const container = await containers.startContainer(options);
    const isHealthy = async () => (await container.exec(app.healthcheck.test.slice(1))).status === 0;
    await waitFor('the health check', isHealthy);
    return container;
  };
  const first = await startHealthy();
  const line = containers.nginxLine({ dir, socket: '/run/app/app.sock' });
  const volumes = { '/run/app': volume, [dir]: dir };
  await containers.startContainer({ args: ['/bin/sh', '-c', `exec ${line}`], volumes });
  const ask = (query: string) => containers.askNginx(dir, query).catch(String);
  await waitFor('nginx', async () => (await ask('')).startsWith('hello'));
  const held = await containers.holdQuery(ask, volume, '/run/app');
  const stopped = containers.stopContainer(first);
  await waitFor('the stop', () => first.stderr().includes('stopping'));
  held.release();
  expect(await held.answer).toBe('hello\n');
  expect(await stopped).toMatchObject({ status: 0, isKilled: false });
  await startHealthy();
  expect(await ask('')).toBe('hello\n');
});
