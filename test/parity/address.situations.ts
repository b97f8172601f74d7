/** TCP: which addresses are understood, what is bound, and who is in the way. */
import { expect } from 'vitest';
import { livePort } from './setup.ts';
import type { Situation } from './situation.ts';

const at = (address: string, host = '127.0.0.1'): Pick<Situation, 'args' | 'host'> => ({
  args: ['-a', address, '-p', '<port>', '--', './app'],
  host,
});

/** Forms of IPv4 addresses that only inet_addr takes. */
const oddForms = ['127.1', '2130706433', '0x7f.0.0.1', '0177.1', '127.0.0.1 ', '127.1 x'];

const laterReleases =
  'Debian has 1.6.4, which takes four decimal parts only; 1.6.5 and later take what inet_addr does, as we do';
const up = {
  status: 0,
  stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
  stderr: '',
  workers: 1,
};

function boundTo(name: string): unknown[] {
  return [expect.objectContaining({ 'fd.0': expect.stringContaining(` name=${name}:<port> `) as unknown })];
}

export const addressSituations: Situation[] = [
  { name: 'no address: every IPv4 address', args: ['-p', '<port>', '--', './app'] },
  { name: 'an IPv4 address', ...at('127.0.0.1') },
  { name: 'another loopback address', ...at('127.0.0.9', '127.0.0.9') },
  { name: '0.0.0.0', ...at('0.0.0.0') },
  ...oddForms.map((address): Situation => ({
    name: `an odd IPv4 form: '${address}'`,
    ...at(address),
    differs: { why: laterReleases, ...up, reports: boundTo('127.0.0.1') },
  })),
  { name: 'the number 0', ...at('0'), differs: { why: laterReleases, ...up, reports: boundTo('0.0.0.0') } },
  { name: 'IPv6 loopback', ...at('::1', '::1') },
  { name: 'IPv6 loopback, written out', ...at('0:0:0:0:0:0:0:1', '::1') },
  { name: 'every IPv6 address, reached by IPv4', ...at('::') },
  { name: 'an IPv4 address within IPv6', ...at('::ffff:127.0.0.1') },
  { name: 'an empty address', ...at(''), workers: 0 },
  { name: 'a name with an empty label', ...at('a..b'), workers: 0 },
  {
    name: 'the broadcast address',
    ...at('255.255.255.255'),
    workers: 0,
    differs: {
      why: '1.6.5 and later refuse it, as inet_addr cannot tell it from an error; so do we',
      status: 255,
      stdout: '',
      stderr: "spawn-fcgi: '255.255.255.255' is not a valid IP address\n",
    },
  },
  { name: 'an IPv6 address in brackets', ...at('[::1]'), workers: 0 },
  {
    name: 'a host name',
    ...at('localhost'),
    differs: {
      why: 'beyond 1.6 a host name is its first IPv4 address',
      ...up,
      reports: boundTo('127.0.0.1'),
    },
  },
  { name: 'an address that is not on this machine', ...at('192.0.2.1'), workers: 0 },
  { name: 'a port in use', ...at('127.0.0.1'), setup: [livePort()], workers: 0 },
  {
    name: 'a port in use on every address',
    args: ['-p', '<port>', '--', './app'],
    setup: [livePort()],
    workers: 0,
  },
  {
    name: 'a port in use, -n',
    args: ['-n', ...at('127.0.0.1').args],
    setup: [livePort()],
    workers: 0,
    foreground: true,
  },
  {
    name: 'a privileged port as a user',
    args: ['-a', '127.0.0.1', '-p', '<low-port>', '--', './app'],
    user: 'nobody',
    workers: 0,
  },
  {
    name: 'a privileged port by an ambient capability',
    args: ['-a', '127.0.0.1', '-p', '<low-port>', '--', './app'],
    user: 'root',
    caller: ['ambient-capability=10'],
  },
  { name: 'the default backlog', args: ['-a', '127.0.0.1', '-p', '<port>', '--', './app'] },
  { name: '-b 0', args: ['-a', '127.0.0.1', '-p', '<port>', '-b', '0', '--', './app'] },
  { name: '-b 1', args: ['-a', '127.0.0.1', '-p', '<port>', '-b1', '--', './app'] },
  {
    name: '-b beyond what the system allows',
    args: ['-a', '127.0.0.1', '-p', '<port>', '-b', '1000000', '--', './app'],
  },
  {
    name: 'options for socket files beside a port are ignored',
    args: ['-a', '127.0.0.1', '-p', '<port>', '-M', '0777', '--', './app'],
  },
  {
    name: 'owners for socket files beside a port are ignored',
    args: ['-a', '127.0.0.1', '-p', '<port>', '-U', 'daemon', '-G', 'daemon', '--', './app'],
    user: 'root',
  },
];
