// docs/kubernetes/pool.yaml: the API's schema accepts it, and its containers, made by crun with the users, rights, mounts
// and commands that it names, start in its order, are found healthy by its probes, and end without losing a request.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, type TestContext } from 'vitest';
import { findPython, fixture, pythonVenv } from '../helpers/build/index.ts';
import * as containers from '../helpers/container/index.ts';
import { makeTempDir, waitFor } from '../helpers/machine/index.ts';
import * as pages from '../helpers/pages/index.ts';

interface Resource {
  kind: string;
  data?: Record<string, string>;
  metadata: { name: string };
  spec?: { template: { spec: containers.PodSpec } };
}

const validator = 'kubernetes-validate==1.37.0';
let python: string | undefined;

beforeAll(() => {
  const found = findPython();
  try {
    python = found === undefined ? undefined : join(pythonVenv(found, [validator]), 'bin/python3');
  } catch {
    // The registry is not there: the tests skip.
  }
}, 120_000);

function needValidator(ctx: TestContext): string {
  return python ?? ctx.skip(`needs python3 with venv, and ${validator} from PyPI`);
}

function readManifest(python3: string): Resource[] {
  const script = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';
  return JSON.parse(
    execFileSync(python3, ['-c', script, pages.manifestPath], { encoding: 'utf8' }),
  ) as Resource[];
}

test.for(['1.30', '1.37'])(
  'the schema of the API %s accepts it, and not a misspelt field',
  (version, ctx) => {
    const python3 = needValidator(ctx);
    const validate = (path: string) =>
      spawnSync(python3, ['-m', 'kubernetes_validate', '--strict', '-k', version, path], {
        encoding: 'utf8',
      });
    expect(validate(pages.manifestPath)).toMatchObject({ status: 0 });
    const wrong = join(makeTempDir(), 'wrong.yaml');
    fs.writeFileSync(
      wrong,
      fs.readFileSync(pages.manifestPath, 'utf8').replace('startupProbe', 'startProbe'),
    );
    expect(validate(wrong).status).toBe(1);
  },
);

const php = '<?php usleep(1000 * (int) ($_GET["ms"] ?? 2)); echo "ok ", getmypid(), "\\n"; ?>\n';

interface Probed {
  container: containers.Container;
  described: containers.PodContainer;
}

function probesOf({ described }: Probed): string[][] {
  const { startupProbe, readinessProbe, livenessProbe } = described;
  return [startupProbe, readinessProbe, livenessProbe].flatMap((probe) =>
    probe?.exec ? [probe.exec.command] : [],
  );
}

/** Requests to the pod's port from inside its network, until `stop`, or one alone. */
function load({ pid }: containers.Container, path: string) {
  const words = [
    '--net',
    '--target',
    String(pid),
    '--',
    process.execPath,
    fixture('http-load.mjs'),
    '8080',
    path,
    'ok ',
  ];
  const running = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  let printed = '';
  running.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const over = once(running, 'close');
  return async (): Promise<{ answered: number; lost: string[] }> => {
    running.stdin.end();
    await over;
    return JSON.parse(printed) as { answered: number; lost: string[] };
  };
}

async function startPod(python3: string): Promise<{ pool: Probed; nginx: Probed; spec: containers.PodSpec }> {
  const manifest = readManifest(python3);
  const spec = manifest.find(({ kind }) => kind === 'Deployment')?.spec?.template.spec;
  const maps = manifest.flatMap(({ metadata, data }) => (data ? [[metadata.name, data] as const] : []));
  if (!spec) throw new Error('the manifest has no Deployment');
  const app = makeTempDir();
  fs.writeFileSync(join(app, 'index.php'), php);
  const pod = new containers.Pod(spec, new Map(maps), { '/srv/app': app });
  const [sidecar, main] = [spec.initContainers[0], spec.containers[0]];
  if (!sidecar || !main) throw new Error('the pod lacks a container');
  const pool = { container: await pod.start(sidecar), described: sidecar };
  const startup = sidecar.startupProbe?.exec?.command ?? [];
  await waitFor('the startup probe', async () => (await pool.container.exec(startup)).status === 0);
  const nginx = { container: await pod.start(main), described: main };
  const url = `http://127.0.0.1:8080${main.readinessProbe?.httpGet?.path ?? ''}`;
  const ask = ['curl', '--silent', '--show-error', '--fail', url];
  await waitFor('the readiness probe', async () => (await nginx.container.exec(ask)).status === 0);
  return { pool, nginx, spec };
}

test(
  'its pod starts in order, is healthy, and ends without losing a request',
  { timeout: 60_000 },
  async (ctx) => {
    containers.needContainers(ctx, 'nginx', '/usr/bin/php-cgi', 'curl');
    const { pool, nginx, spec } = await startPod(needValidator(ctx));
    expect(pool.described.restartPolicy).toBe('Always');
    for (const command of probesOf(pool))
      expect(await pool.container.exec(command)).toMatchObject({ status: 0 });
    const stopQuick = load(nginx.container, '/');
    // As many as there are workers.
    const stopSlow = load(nginx.container, '/?ms=1000');
    const [liveness = []] = probesOf(pool).slice(-1);
    const isSaturated = async (): Promise<boolean> => {
      const { status, stdout } = await pool.container.exec(liveness);
      expect(status).toBe(0);
      return stdout.startsWith('saturated');
    };
    await waitFor('a saturated pool, which is alive', isSaturated);
    const began = performance.now();
    const pause = (seconds: number) => nginx.container.exec(['sleep', String(seconds)]);
    // The endpoint is removed: what comes last comes in the preStop's time.
    const { seconds } = nginx.described.lifecycle?.preStop.sleep ?? { seconds: 0 };
    const loads = pause(seconds / 2).then(() => Promise.all([stopQuick(), stopSlow()]));
    await pause(seconds);
    expect(await containers.stopContainer(nginx.container, { signal: 'QUIT' })).toMatchObject({ status: 0 });
    expect(await containers.stopContainer(pool.container)).toMatchObject({ status: 0, isKilled: false });
    const tookMs = performance.now() - began;
    const [quick, slow] = await loads;
    expect([...quick.lost, ...slow.lost]).toEqual([]);
    expect(quick.answered).toBeGreaterThan(4);
    expect(slow.answered).toBeGreaterThan(4);
    expect(tookMs).toBeLessThan(1_000 * spec.terminationGracePeriodSeconds);
  },
);
