// Why a start, a reload or a takeover failed, in the program's own words: where its output is discarded it runs once
// more, on a socket of its own, or is listened to on its trial.
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { compileC } from '../helpers/build/index.ts';
import { needCommands, needRoot, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** However slow the machine is: a program that ends without a word to NOTIFY_SOCKET was never up. */
const strict = ['--ready', 'notify'];

/** A place whose program is this shell script; `runs` gets a line with the socket of each run, and serve is a program that serves. */
function makeScriptPlace(script: string): pools.Place {
  const place = pools.makePlace();
  copyFileSync(place.app, join(place.dir, 'serve'));
  write(place, script);
  chmodSync(place.dir, 0o777);
  return place;
}

function write({ app, dir }: pools.Place, script: string): void {
  writeFileSync(app, `#!/bin/sh\ncd '${dir}'\nreadlink /proc/self/fd/0 >> runs\n${script}\n`);
  chmodSync(app, 0o755);
}

function runsOf({ dir }: pools.Place): string[] {
  return readFileSync(join(dir, 'runs'), 'utf8').trim().split('\n');
}

const fails = 'echo "No module named x" >&2; exit 7';
const says = 'run once more, the program said';

describe('a start in the background that fails', () => {
  test('says why in the words of the program, which ran once more on a socket of its own', async () => {
    const place = makeScriptPlace(
      'echo "Traceback:"; echo "  line 1" >&2; printf "\\033[1mNo module\\377\\n"; exit 7',
    );
    const failed = await pools.run(place, [...strict, '-F', '2']);
    expect(failed).toMatchObject({ status: 7, stdout: '' });
    expect(pools.withoutHints(failed.stderr)).toBe('spawn-fcgi: child exited with: 7');
    expect(pools.hintsOf(failed.stderr).filter((hint) => !hint.startsWith('/dev/log'))).toEqual([
      `${says}:`,
      '  Traceback:',
      '    line 1',
      '  \\x1b[1mNo module\\xff',
    ]);
    const [first, second, third, ...others] = runsOf(place);
    expect(first).toMatch(/^socket:/);
    expect(second).toBe(first);
    expect(third).toMatch(/^socket:/);
    expect(third).not.toBe(first);
    expect(others).toEqual([]);
    await pools.expectNothingLeft(place);
  });

  test('as another user ends with the whole session of the second run', async (ctx) => {
    needRoot(ctx);
    const place = makeScriptPlace(`id -un; sleep 1000 & ${fails}`);
    const failed = await pools.run(place, [...strict, '-u', 'nobody']);
    expect(failed.status).toBe(7);
    expect(pools.hintsOf(failed.stderr)).toContain('  nobody');
    await pools.expectNothingLeft(place);
  });

  test('is not held up by an output that is longer than a pipe', async () => {
    const place = makeScriptPlace('head -c 1000000 /dev/zero | tr "\\0" "y"; echo; echo last; exit 7');
    const failed = await pools.run(place, strict);
    expect(pools.hintsOf(failed.stderr)).toContain(`${says}: last`);
  });

  test('says that the second run did not end, and ends it', async () => {
    const place = makeScriptPlace('[ -e again ] || { : > again; exit 7; }; echo waiting; exec sleep 1000');
    const failed = await pools.run(place, strict);
    expect(failed.status).toBe(7);
    expect(pools.hintsOf(failed.stderr)).toContain('run once more, the program did not end: waiting');
    await pools.expectNothingLeft(place);
  });

  test('leaves nothing of the second run when the command is interrupted', async () => {
    const place = makeScriptPlace('[ -e again ] || { : > again; exit 7; }; : > runs-again; exec sleep 1000');
    const command = pools.startForeground(pools.commandLine(place, strict, []), { cwd: place.dir });
    await waitFor('the second run', () => existsSync(join(place.dir, 'runs-again')));
    process.kill(command.pid, 'SIGTERM');
    await pools.expectNothingLeft(place);
  });

  test.for([
    ['ended with 0, as one that went into the background', [], 'exit 0', 1],
    ['was told to end', [], 'kill -TERM $$', 1],
    ['has its output on the terminal', ['-n', '--supervise'], fails, 7],
  ] as const)('runs no program again that %s', async ([, options, script, status]) => {
    const place = makeScriptPlace(script);
    const failed = await pools.run(place, [...strict, ...options]);
    expect(failed.status).toBe(status);
    expect(failed.stderr).not.toContain('once more');
    expect(runsOf(place)).toHaveLength(1);
  });

  test('runs nothing again under --no-supervise', async () => {
    const place = makeScriptPlace('exit 7');
    const failed = await runCommand(pools.oursPath, ['--no-supervise', '-s', place.socket, '--', place.app]);
    expect(failed).toMatchObject({ status: 7, stderr: 'spawn-fcgi: child exited with: 7\n' });
    expect(runsOf(place)).toHaveLength(1);
  });
});

describe('a program that the dynamic loader refuses', () => {
  test.for(['--', '-f'])(
    'is told of in the words of the loader, not by a hint that it is missing: %s',
    async (how, ctx) => {
      const place = await makeLibraryPlace(ctx, []);
      const failed = await startLibrary(place, how);
      expect(failed.status).toBe(127);
      const [hint, ...others] = pools.hintsOf(failed.stderr);
      expect(hint).toMatch(
        /^run once more, the program said: .*libwords\.so: cannot open shared object file/,
      );
      expect(others).toEqual([]);
    },
  );

  test.for([
    ['--', 2],
    ['-f', 127],
  ] as const)('for want of the loader itself is told of with its name: %s', async ([how, status], ctx) => {
    const place = await makeLibraryPlace(ctx, ['-Wl,--dynamic-linker=/lib/ld-nowhere.so']);
    const failed = await startLibrary(place, how);
    expect(failed.status).toBe(status);
    expect(pools.hintsOf(failed.stderr)).toEqual([
      `'${place.app}' is there, but its program interpreter (dynamic loader) /lib/ld-nowhere.so is not`,
    ]);
  });
});

/** Its program needs a library that is gone. */
async function makeLibraryPlace(ctx: TestContext, flags: readonly string[]): Promise<pools.Place> {
  needCommands(ctx, 'gcc');
  const place = pools.makePlace();
  const library = join(place.dir, 'libwords.so');
  const own = compileC('int words(void);\nint words(void) { return 1; }\n', { flags: ['-shared', '-fPIC'] });
  copyFileSync(own, library);
  writeFileSync(join(place.dir, 'app.c'), 'int words(void); int main(void) { return words(); }\n');
  const built = await runCommand('gcc', [...flags, '-o', place.app, 'app.c', `-L${place.dir}`, '-lwords'], {
    cwd: place.dir,
  });
  expect(built).toMatchObject({ status: 0, stderr: '' });
  await runCommand('rm', [library]);
  return place;
}

function startLibrary(place: pools.Place, how: string) {
  return runCommand(pools.oursPath, [
    '-s',
    place.socket,
    '--state-dir',
    place.stateDir,
    '--log',
    place.log,
    ...strict,
    how,
    place.app,
  ]);
}

describe('a reload that fails on trial', () => {
  const releases = `[ -e bad ] && { echo "Traceback:"; ${fails}; }; exec ./serve serve`;
  const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

  test('says with which status and why, to the command, in the log and in the status', async () => {
    const place = makeScriptPlace(releases);
    const pool = await pools.start(place, quick);
    const worker = await pools.onlyWorker(pool);
    writeFileSync(join(place.dir, 'bad'), '');
    const { status, stderr } = await pools.ctl(place.stateDir, ['reload', place.socket]);
    expect(status).toBe(1);
    const words = ['Traceback:', 'No module named x'];
    expect(stderr).toMatch(
      /^spawn-fcgictl: reload to generation 2 failed, the old workers \(generation 1\) are in service: a worker of the new release \(PID \d+\) exited with 7 on trial\n/,
    );
    expect(stderr).toContain(
      `hint: the program said:\nspawn-fcgictl: hint:   ${words.join('\nspawn-fcgictl: hint:   ')}\n`,
    );
    expect(pools.events(place, 'reload-finished')).toMatchObject([{ generation: 2, serving: 1, words }]);
    expect((await pools.statusOf(place)).lastReload).toMatchObject({ result: 'rolled-back', words });
    const table = await pools.ctl(place.stateDir, ['status', place.socket]);
    expect(table.stdout).toContain(`\n    ${words.join('\n    ')}\n`);
    expect(await pools.onlyWorker(pool)).toBe(worker);
    await pools.endPool(place, pool);
  });

  test('leaves the words on the terminal of a pool in the foreground', async () => {
    const place = makeScriptPlace(releases);
    const pool = pools.startStaying(place, [...quick, '--supervise']);
    await pools.onlyWorker(pool);
    await waitFor(
      'the pool',
      async () => (await pools.ctl(place.stateDir, ['ping', place.socket])).status === 0,
    );
    writeFileSync(join(place.dir, 'bad'), '');
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({ status: 1 });
    await waitFor(
      'the words',
      () => pool.stdout().includes('Traceback:') && pool.stderr().includes('No module'),
    );
    expect(pools.events(place, 'reload-finished')[0]).not.toHaveProperty('words');
    await pools.endPool(place, pool);
  });
});

describe('a takeover that fails', () => {
  test.for([
    ['because every first worker died', '', ['-F', '2'], 7, 'child exited with: 7'],
    [
      'because one of the first workers died',
      'mkdir first 2>/dev/null || exec ./serve ready serve',
      ['-F', '2'],
      7,
      'child exited with: 7; the old pool stays in service',
    ],
  ] as const)(
    '%s says why, and leaves the old pool in service',
    async ([, before, options, status, line]) => {
      const place = makeScriptPlace('exec ./serve serve');
      const pool = await pools.start(place);
      const worker = await pools.onlyWorker(pool);
      write(place, `${before}\n${fails}`);
      const failed = await pools.run(place, ['--replace', ...strict, ...options]);
      expect(failed.status).toBe(status);
      expect(pools.withoutHints(failed.stderr)).toBe(`spawn-fcgi: ${line}`);
      if (before === '') expect(pools.hintsOf(failed.stderr)).toContain(`${says}: No module named x`);
      else expect(failed.stderr).toContain('run once more');
      expect(await pools.onlyWorker(pool)).toBe(worker);
      await pools.endPool(place, pool);
      await pools.expectNoProcess(place);
    },
  );
});
