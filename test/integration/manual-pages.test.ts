// The manual pages in the programs that people read them with: no warning of man, groff or mandoc.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needCommands, runCommand } from '../helpers/machine/index.ts';

const pages = ['spawn-fcgi.1', 'spawn-fcgictl.1', 'spawn-fcgi-events.5'].map((name) =>
  join(import.meta.dirname, '../../dist/man', name),
);
const env = { PATH: process.env['PATH'], LANG: 'C.UTF-8', MANWIDTH: '80' };

test('man shows the pages without a warning, within the width of the terminal', async (ctx) => {
  needCommands(ctx, 'man');
  const shown = await Promise.all(
    pages.map((page) => runCommand('man', ['--warnings', '-l', page], { env })),
  );
  for (const { status, stdout, stderr } of shown) {
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^NAME$/m);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  }
});

test('groff and mandoc find nothing to complain of, not even of style', async (ctx) => {
  needCommands(ctx, 'groff', 'mandoc');
  const checks = pages.flatMap((page) => [
    runCommand('groff', ['-ww', '-man', '-Tutf8', '-z', page], { env }),
    runCommand('mandoc', ['-Tlint', '-W', 'style', page], { env }),
  ]);
  for (const { status, stdout, stderr } of await Promise.all(checks))
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('whatis finds what they are about', async (ctx) => {
  needCommands(ctx, 'lexgrog');
  const { stdout } = await runCommand('lexgrog', pages, { env });
  expect(stdout).toMatch(/"spawn-fcgi - start FastCGI workers on one socket and keep them running"/);
  expect(stdout).toMatch(/"spawn-fcgictl - .*"\n.*"spawn-fcgi-events - /);
});
