// What doctor must not take for known: addresses that a variable says, comments, what a process sees that has ended.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { formatAddress } from '../../src/core/pool-id.ts';
import type { Configuration } from '../../src/ctl/doctor/web-server/configuration.ts';
import { readNginx } from '../../src/ctl/doctor/web-server/nginx-passes.ts';
import { readBy } from '../../src/ctl/doctor/web-server/other-servers.ts';
import { hasOurRoot, seesSameFile } from '../../src/sys/proc/process-look.ts';

function files(text: string) {
  return { read: () => text, expand: (pattern: string) => [pattern] };
}

const told = ({ passes }: Configuration): string[] =>
  passes.map(({ place, addresses }) => `${place} ${addresses.map(formatAddress).join(' ')}`.trim());

test('of Caddy comments are none of it, and addresses may stand in the block, several in a line', () => {
  const text = `a.org {
  reverse_proxy 127.0.0.1:1 { # as PHP has it
    header_up X "a # b" # }
    transport fastcgi # {
  }
  reverse_proxy @php {
    to 127.0.0.1:2 unix//run/a#b.sock # 127.0.0.1:9
    transport fastcgi
    handle_response {
      to 127.0.0.1:9
    }
  }
  reverse_proxy 127.0.0.1:9 { # transport fastcgi
    # transport fastcgi
  }
  php_fastcgi unix//run/b.sock # 127.0.0.1:9
}`;
  expect(told(readBy('caddy')('/c', files(text)))).toEqual([
    '/c:2 127.0.0.1:1',
    '/c:7 127.0.0.1:2',
    '/c:7 /run/a#b.sock',
    '/c:16 /run/b.sock',
  ]);
});

test.each([
  ['lighttpd', 'fastcgi.server = ( "/" => (( "socket" => socket_dir + "/php.sock" )))'],
  ['lighttpd', 'fastcgi.server = ( "/" => (( "socket" => var.socket )))'],
  ['lighttpd', 'fastcgi.server = ( "/" => (( "port" => env.PORT )))'],
  ['lighttpd', 'fastcgi.server = ( "/" => (( "host" => env.HOST, "port" => 9000 )))'],
  ['apache', 'SetHandler "proxy:unix:${RUN}/php.sock|fcgi://localhost"'],
  ['caddy', 'php_fastcgi {$PHP}'],
  ['caddy', 'php_fastcgi unix/{$DIR}/php.sock'],
  ['caddy', 'reverse_proxy {\n dynamic srv _php._tcp.a.org\n transport fastcgi\n}'],
  ['haproxy', 'server one unix@${RUN}/php.sock proto fcgi'],
] as const)('a line of %s, %s, passes to somewhere that is not known', (kind, line) => {
  const { passes } = readBy(kind)('/conf', files(line));
  expect(new Set(passes.map(({ addresses }) => addresses.length))).toEqual(new Set([0]));
});

test('what lighttpd starts by a variable is its own, too', () => {
  const text = 'fastcgi.server = ( "/" => (( "bin-path" => var.app, "socket" => "/run/own" )))';
  expect(told(readBy('lighttpd')('/l', files(text)))).toEqual([]);
});

test('of nginx a path with a variable in it is not known', () => {
  const text = 'http { server { location / { fastcgi_pass unix:/run/$app.sock; } } }';
  expect(told(readNginx('/n', files(text)))).toEqual(['/n:1']);
});

test('a process that has ended sees nothing, which is not to see something else', () => {
  const { pid } = spawnSync('true');
  expect([hasOurRoot(pid), seesSameFile(pid, '/etc')]).toEqual([undefined, undefined]);
  expect([hasOurRoot(process.pid), seesSameFile(process.pid, '/etc')]).toEqual([true, true]);
});
