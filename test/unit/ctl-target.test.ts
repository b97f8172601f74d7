// What a TARGET of spawn-fcgictl means by its form.
import { describe, expect, test } from 'vitest';
import { canonicalIp, parseEndpoint, parseTarget } from '../../src/ctl/target/parse-target.ts';

describe('a target', () => {
  test.each([
    ['9000', { kind: 'number', number: 9000 }],
    ['2147483647', { kind: 'number', number: 2_147_483_647 }],
    [':9000', { kind: 'tcp', host: '', port: 9000 }],
    ['127.0.0.1:9000', { kind: 'tcp', host: '127.0.0.1', port: 9000 }],
    ['[::1]:9000', { kind: 'tcp', host: '::1', port: 9000 }],
    ['app.example.org:65535', { kind: 'tcp', host: 'app.example.org', port: 65_535 }],
    ['/run/app.sock', { kind: 'path', path: '/run/app.sock' }],
    ['./9000', { kind: 'path', path: './9000' }],
    ['@app', { kind: 'abstract', name: 'app' }],
    ['@/run/a b', { kind: 'abstract', name: '/run/a b' }],
    ['./@app', { kind: 'path', path: './@app' }],
    ['@', { kind: 'path', path: '@' }],
    ['/run/a:9000', { kind: 'path', path: '/run/a:9000' }],
    ['app.pid', { kind: 'path', path: 'app.pid' }],
    ['::1', { kind: 'path', path: '::1' }],
    ['::1:9000', { kind: 'path', path: '::1:9000' }],
    [' 9000', { kind: 'path', path: ' 9000' }],
    ['9000\n', { kind: 'path', path: '9000\n' }],
  ])('%j is %j', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
  });

  test.each(['', '0', '2147483648', ':0', '127.0.0.1:65536', '[::1]:99999'])('%j is none', (text) => {
    expect(parseTarget(text)).toBeUndefined();
  });
});

test.each([
  ['127.0.0.1:9000', { ip: '127.0.0.1', port: 9000 }],
  ['[::]:80', { ip: '::', port: 80 }],
  ['/run/a:9000', undefined],
  ['localhost:9000', undefined],
])('the endpoint of %s is %j', (address, endpoint) => {
  expect(parseEndpoint(address)).toEqual(endpoint);
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['127.1', '127.0.0.1'],
  ['0', '0.0.0.0'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['2001:DB8::0001', '2001:db8::1'],
  ['::ffff:1.2.3.4', '::ffff:102:304'],
  ['1.2.3.4.5', undefined],
  ['999.1.1.1', undefined],
  [':::', undefined],
  ['localhost', undefined],
  ['a b', undefined],
])('the IP address %s is %s', (host, ip) => {
  expect(canonicalIp(host)).toBe(ip);
});
