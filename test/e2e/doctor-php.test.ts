// `spawn-fcgictl doctor` with real php-cgi: scripts that it does not find, their directory, and bodies that it drops.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { expectFinding, expectHealthy } = pools;

interface PhpPlace extends pools.Place {
  root: string;
}

/** A pool of php-cgi, as nobody where we are root, and a site of one page. */
async function startPhp(ctx: TestContext, options: readonly string[] = []): Promise<PhpPlace> {
  machine.needCommands(ctx, 'php-cgi');
  const place = pools.makePlace();
  const root = join(place.dir, 'site');
  mkdirSync(root);
  chmodSync(place.runDir, 0o755);
  writeFileSync(join(root, 'index.php'), "<?php echo 'hello';\n");
  writeFileSync(join(root, 'broken.php'), "<?php http_response_code(503); echo 'no database';\n");
  const user = machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : [];
  const args = pools.commandLine(place, ['-M', '0666', ...user, ...options]);
  const php = [machine.findCommand('php-cgi') ?? 'php-cgi', '-d', 'post_max_size=8M'];
  await pools.startPool([...args.slice(0, args.indexOf('--')), '--', ...php], { cwd: place.dir });
  return { ...place, root };
}

function configure({ dir, root, socket }: PhpPlace, further = ''): string[] {
  const config = join(dir, 'nginx.conf');
  const scripts = 'fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;';
  writeFileSync(
    config,
    `http { server {\nroot ${root};\nlocation / {\nfastcgi_pass unix:${socket};\n${further || scripts}\n} } }\n`,
  );
  return [socket, '--config', config];
}

test('a site that works is healthy, with a request as well', async (ctx) => {
  const place = await startPhp(ctx);
  await expectHealthy(place, configure(place));
  await expectHealthy(place, [...configure(place), '--request', '/index.php']);
});

test('the status socket of a pool of php-cgi needs no script', async (ctx) => {
  const place = await startPhp(ctx, ['--status-socket', 'run/app.status']);
  const locations = `location / {\nfastcgi_pass unix:${place.socket};\nfastcgi_param SCRIPT_FILENAME /$uri;\n}`;
  const config = join(place.dir, 'nginx.conf');
  const status = `location = /status { include fastcgi_params; fastcgi_pass unix:${place.runDir}/app.status; }`;
  writeFileSync(config, `http { server { root ${place.root}; ${locations} ${status} } }\n`);
  await expectHealthy(place, ['--config', config]);
});

test('nginx passes no SCRIPT_FILENAME on', async (ctx) => {
  const place = await startPhp(ctx);
  await expectFinding(place, configure(place, 'fastcgi_param QUERY_STRING $query_string;'), {
    check: 'script-filename',
    says: /nginx\.conf:4 passes no SCRIPT_FILENAME on/,
    fix: /fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;/,
    evidence: /parameters there: QUERY_STRING/,
  });
});

test('the root of its scripts is not there', async (ctx) => {
  const place = await startPhp(ctx);
  await expectFinding(place, configure({ ...place, root: `${place.root}2` }), {
    check: 'document-root',
    says: /the scripts are not where nginx says: there is no \S+site2/,
    fix: /write the right directory into root/,
  });
});

test("the pool's user cannot enter the root of its scripts", async (ctx) => {
  machine.needRoot(ctx);
  const place = await startPhp(ctx);
  chmodSync(place.root, 0o700);
  await expectFinding(place, configure(place), {
    check: 'document-root',
    says: /nobody, as whom the program runs, cannot enter \S+site \(mode 0700, root:root\), and so read no script/,
    fix: /chmod o\+x \S+site/,
  });
});

describe('asked by --request', () => {
  test('PHP finds no script: "No input file specified"', async (ctx) => {
    const place = await startPhp(ctx);
    await expectFinding(place, [...configure(place), '--request', '/missing.php'], {
      check: 'request',
      says: /the program finds no script \S+site\/missing\.php \("No input file specified"/,
      fix: /look whether \S+missing\.php is there/,
      evidence: /it said: No input file specified/,
    });
  });

  test('a page has an HTTP status from 500 on', async (ctx) => {
    const place = await startPhp(ctx);
    await expectFinding(place, [...configure(place), '--request', '/broken.php'], {
      check: 'request',
      says: /GET \/broken\.php is not answered well: 503/,
      fix: /spawn-fcgictl request \S+app\.sock \/broken\.php --root \S+site shows all of it/,
      evidence: /it said: no database/,
    });
  });
});

test('nginx lets bodies through that PHP drops', async (ctx) => {
  const place = await startPhp(ctx);
  const further =
    'client_max_body_size 64m;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;';
  await expectFinding(place, configure(place, further), {
    check: 'body-limit',
    says: /nginx lets bodies of 64 MB through \(\S+nginx\.conf:5\), and PHP drops those above post_max_size, 8 MB/,
    fix: /client_max_body_size 8M; in \S+nginx\.conf:5/,
  });
});

test('without --request no program is run', async (ctx) => {
  const place = await startPhp(ctx);
  const marks = join(place.dir, 'marks');
  mkdirSync(marks);
  chmodSync(marks, 0o777);
  writeFileSync(join(place.root, 'index.php'), `<?php touch('${marks}/run'); echo 'hello';\n`);
  await expectHealthy(place, configure(place));
  expect(readdirSync(marks)).toEqual([]);
  await expectHealthy(place, [...configure(place), '--request', '/index.php']);
  expect(readdirSync(marks)).toEqual(['run']);
});
