// doctor without a machine: its page, and what it reads in the configurations of web servers and in a pool's command line.
import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../src/core/pool-id.ts';
import { checks } from '../../src/ctl/doctor/checks.ts';
import { backlogIn, isChrooted, programIn } from '../../src/ctl/doctor/own-command.ts';
import { readNginx } from '../../src/ctl/doctor/web-server/nginx-passes.ts';
import { readBy } from '../../src/ctl/doctor/web-server/other-servers.ts';
import { addressesIn, leadsTo, narrow } from '../../src/ctl/doctor/web-server/pass.ts';
import { tableUnder } from '../helpers/pages/index.ts';

test('the steps of "502 step by step" are those of doctor, in its order', () => {
  const steps = tableUnder('troubleshooting', '502 step by step').map((row) => row[1]);
  expect(steps).toEqual(checks.map(({ name }) => `\`${name}\``));
  expect(new Set(steps).size).toBe(steps.length);
});

/** Files by their paths; a pattern stands for those that begin and end like it. */
function filesOf(texts: Record<string, string>) {
  return {
    read: (path: string): string | undefined => texts[path],
    expand: (pattern: string): string[] => {
      const [begin = '', end] = pattern.split('*');
      return end === undefined
        ? [pattern]
        : Object.keys(texts).filter((path) => path.startsWith(begin) && path.endsWith(end));
    },
  };
}

function nginx(text: string, further: Record<string, string> = {}) {
  return readNginx('/etc/nginx/nginx.conf', filesOf({ '/etc/nginx/nginx.conf': text, ...further }));
}

const told = ({ passes }: ReturnType<typeof nginx>): string[] =>
  passes.map(({ place, addresses }) => `${place} ${addresses.map(formatAddress).join(' ')}`.trim());

describe('in the configuration of nginx', () => {
  test('addresses are found with their files and lines, whatever stands between', () => {
    const text = `user www-data; # fastcgi_pass unix:/no;
http {
  log_format main '$remote_addr "{" # no comment';
  map $x $y { default "a;b}"; }
  server { location ~ \\.php$ {
      fastcgi_pass unix:/run/php.sock; } location /a { fastcgi_pass 127.0.0.1:9000; }
    location /b { fastcgi_pass $backend; } location /c { if ($x) { fastcgi_pass [::1]:9001; } }
  }
}`;
    expect(told(nginx(text))).toEqual([
      '/etc/nginx/nginx.conf:6 /run/php.sock',
      '/etc/nginx/nginx.conf:6 127.0.0.1:9000',
      '/etc/nginx/nginx.conf:7',
      '/etc/nginx/nginx.conf:7 [::1]:9001',
    ]);
    expect(nginx(text).user).toBe('www-data');
  });

  test('includes are read where they stand, and one that includes itself has an end', () => {
    const files = {
      '/etc/nginx/sites/a.conf': 'server {\n\nlocation / { fastcgi_pass app; } }',
      '/etc/nginx/sites/b.conf':
        'include sites/b.conf; upstream app { server unix:/a.sock weight=2; server 10.0.0.1:9; server unix:/b down; }',
    };
    expect(told(nginx('http { include sites/*.conf; }', files))).toEqual([
      '/etc/nginx/sites/b.conf:1 /a.sock',
      '/etc/nginx/sites/b.conf:1 10.0.0.1:9',
    ]);
  });

  test('root, parameters and the limit of bodies are those in effect', () => {
    const [outer, inner] =
      nginx(`http { client_max_body_size 2m; root /a; fastcgi_param A 1; fastcgi_param B 2;
server { location /x { fastcgi_pass [::1]:1; }
location /y { fastcgi_pass [::1]:1; root /b; fastcgi_param C 3; client_max_body_size 0; } } }`).passes;
    expect(outer?.location).toMatchObject({ root: '/a', bodyLimit: { bytes: 2 * 1024 * 1024 } });
    expect([...(outer?.location?.params.keys() ?? [])]).toEqual(['A', 'B']);
    expect(inner?.location).toMatchObject({ root: '/b', bodyLimit: { bytes: 0 } });
    expect([...(inner?.location?.params.keys() ?? [])]).toEqual(['C']);
  });

  test('nothing that is no configuration breaks the reader', () => {
    for (const text of ['', '}', '{', '{{{', '"', "a 'b", 'http {', ';;;', 'include', '\0\u001b[31m'])
      expect(told(nginx(text))).toEqual([]);
  });
});

test.each([
  ['lighttpd', 'fastcgi.server = ( ".php" => (( "socket" => "/run/a.sock" )))', '/run/a.sock'],
  ['lighttpd', '"host" => "127.0.0.1", "port" => 9000', '127.0.0.1:9000'],
  ['lighttpd', '"port" => 9000', '127.0.0.1:9000'],
  ['apache', 'SetHandler "proxy:unix:/run/a.sock|fcgi://localhost"', '/run/a.sock'],
  ['apache', 'ProxyPass / fcgi://127.0.0.1:9000/srv', '127.0.0.1:9000'],
  ['apache', 'FastCgiExternalServer /srv/a -host 127.0.0.1:9000', '127.0.0.1:9000'],
  ['apache', 'FastCgiExternalServer /srv/a -socket /run/a.sock', '/run/a.sock'],
  ['caddy', '  php_fastcgi unix//run/a.sock', '/run/a.sock'],
  ['caddy', 'php_fastcgi /x/* 127.0.0.1:9000', '127.0.0.1:9000'],
  ['haproxy', '  server one /run/a.sock proto fcgi', '/run/a.sock'],
  ['haproxy', 'server one 127.0.0.1:9000 check proto fcgi', '127.0.0.1:9000'],
] as const)('a line of %s, %s, passes to %s', (kind, line, address) => {
  const { passes } = readBy(kind)('/conf', filesOf({ '/conf': `\n# ${line}\n${line}\n` }));
  expect(passes.map(({ place, addresses }) => [place, ...addresses.map(formatAddress)])).toEqual([
    ['/conf:3', address],
  ]);
});

test('of lighttpd a group is one address, on however many lines, and only those of fastcgi.server count', () => {
  const text = `$HTTP["url"] =~ "^/(a|b)" {
  fastcgi.server += ( ".php" => ( "one" => (
    "host" => "127.0.0.2",   # ( "port" => 1
    "port" => 9000 ), (
    "port" => "9001"
  ) ) )
}
proxy.server = ( "" => (( "port" => 80 )))
fastcgi.server = ( "/" => (( "socket" => "/run/" + var.PID, "check-local" => "disable" ),
  ( "bin-path" => "/bin/app", "socket" => "/run/own" ), ( "socket" => "/run/a.sock" )) )`;
  expect(told(readBy('lighttpd')('/l', filesOf({ '/l': text })))).toEqual([
    '/l:3 127.0.0.2:9000',
    '/l:5 127.0.0.1:9001',
    '/l:9',
    '/l:10 /run/a.sock',
  ]);
});

test('of Caddy a reverse proxy counts by the transport that its own block names', () => {
  const text = `a.org {
  reverse_proxy unix//run/http.sock
  reverse_proxy /x/* 127.0.0.1:1 {
    header_up X {http.request.host}
  }
  reverse_proxy 127.0.0.1:2 {
    transport http {
      versions h2c
    }
  }
  reverse_proxy @app 127.0.0.1:3 {
    lb_policy first
    transport fastcgi {
      env A b
    }
  }
}`;
  expect(told(readBy('caddy')('/c', filesOf({ '/c': text })))).toEqual(['/c:11 127.0.0.1:3']);
});

test('Apache includes relative to its root, lighttpd to the file, and both name their user', () => {
  const apache = filesOf({
    '/etc/httpd/conf/httpd.conf': 'User apache\nIncludeOptional conf.d/*.conf',
    '/etc/httpd/conf.d/a.conf': 'ProxyPass / fcgi://[::1]:9000/',
  });
  expect(readBy('apache')('/etc/httpd/conf/httpd.conf', apache)).toMatchObject({
    user: 'apache',
    passes: [{ place: '/etc/httpd/conf.d/a.conf:1' }],
  });
  const debian = filesOf({
    '/etc/apache2/apache2.conf': 'Include sites/a.conf',
    '/etc/apache2/sites/a.conf': 'Include b.conf',
    '/etc/apache2/b.conf': 'ProxyPass / fcgi://[::1]:9000/',
  });
  expect(told(readBy('apache')('/etc/apache2/apache2.conf', debian))).toEqual([
    '/etc/apache2/b.conf:1 [::1]:9000',
  ]);
  const moved = filesOf({
    '/srv/a.conf': 'ServerRoot "/opt/a"\nInclude b.conf',
    '/opt/a/b.conf': 'ProxyPass / fcgi://[::1]:9000/',
  });
  expect(told(readBy('apache')('/srv/a.conf', moved))).toEqual(['/opt/a/b.conf:1 [::1]:9000']);
  const lighttpd = filesOf({
    '/etc/lighttpd/lighttpd.conf': 'server.username = "www"\ninclude "a.conf"',
    '/etc/lighttpd/a.conf': 'fastcgi.server = ( "/" => (( "socket" => "/a" )))',
  });
  expect(readBy('lighttpd')('/etc/lighttpd/lighttpd.conf', lighttpd)).toMatchObject({
    user: 'www',
    passes: [{ place: '/etc/lighttpd/a.conf:1' }],
  });
});

test('an address leads to a socket of all addresses, and a name to both loopback addresses', () => {
  const only = (text: string) => addressesIn(text)[0] ?? { kind: 'unix' as const, path: '' };
  expect(leadsTo(only('127.0.0.1:9000'), only('0.0.0.0:9000'))).toBe(true);
  expect(leadsTo(only('127.0.0.1:9000'), only('[::]:9000'))).toBe(true);
  expect(leadsTo(only('[::1]:9000'), only('0.0.0.0:9000'))).toBe(false);
  expect(leadsTo(only('127.0.0.1:9000'), only('127.0.0.1:9001'))).toBe(false);
  expect(leadsTo(only('unix:/a'), only('127.0.0.1:9001'))).toBe(false);
  expect(addressesIn('localhost:1').map(formatAddress)).toEqual(['[::1]:1', '127.0.0.1:1']);
  const pass = { text: '', place: '', addresses: addressesIn('localhost:1') };
  const known = (ips: string[]): string[] => narrow(pass, ips).addresses.map(formatAddress);
  expect(known(['127.0.0.1'])).toEqual(['127.0.0.1:1']);
  expect(known([])).toEqual(['[::1]:1', '127.0.0.1:1']);
  expect(['', 'x', 'host:1', '1:99999', 'unix:'].flatMap(addressesIn)).toEqual([]);
});

test('a pool’s own command line tells its backlog, its program and its chroot, not what is the program’s', () => {
  expect(backlogIn(['spawn-fcgi', '-b', '7', '--', 'app', '-b', '9'])).toBe(7);
  expect(backlogIn(['spawn-fcgi', '-b7', '--backlog=8', '/bin/app'])).toBe(8);
  expect(backlogIn(['spawn-fcgi', '/bin/app'])).toBeUndefined();
  expect(programIn(['spawn-fcgi', '--', '/bin/app', 'x'])).toBe('/bin/app');
  expect(programIn(['spawn-fcgi', '-c', '/srv', '--', '/bin/app'])).toBeUndefined();
  expect(isChrooted(['spawn-fcgi', '--', '/bin/app', '-c', 'x'])).toBe(false);
});
