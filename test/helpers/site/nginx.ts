// Starts a real nginx in front of one FastCGI address: its own configuration, port and temporary files, all in the
// test's directory. It never tries a request twice, so a worker's death shows as 502.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, findCommand, waitFor } from '../machine/index.ts';
import { startForeground } from '../pool/index.ts';
import { nginxConfig, type Backend } from '../web/index.ts';

export interface Nginx {
  /** On 127.0.0.1. */
  port: number;
  errorLog: string;
}

/** Resolves once nginx listens; it is stopped when the running test ends. `within`: a command that becomes what follows. */
export async function startNginx(
  testDir: string,
  backend: Backend,
  within: readonly string[] = [],
): Promise<Nginx> {
  const dir = join(testDir, 'nginx');
  const port = await freePort();
  mkdirSync(dir);
  writeFileSync(join(dir, 'nginx.conf'), nginxConfig(new Map([[port, backend]])));
  const [command, ...args] = [...within, findCommand('nginx') ?? 'nginx'];
  const nginx = startForeground([...args, '-p', dir, '-c', 'nginx.conf', '-e', 'error.log'], { command });
  // nginx writes its PID file after it has bound its port.
  await waitFor('nginx to listen', () => readText(join(dir, 'nginx.pid')).trim() === String(nginx.pid)).catch(
    (cause: unknown) => {
      throw new Error(`nginx did not start: ${nginx.stderr()}`, { cause });
    },
  );
  return { port, errorLog: join(dir, 'error.log') };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
