// The control protocol: what one side writes the other reads, and anything else is refused by its name.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as protocol from '../../src/control/protocol.ts';
import { parseAnswer } from '../../src/control/parse-answer.ts';
import { parseRequest } from '../../src/control/parse-request.ts';
import { examplePool, exampleWorker } from '../helpers/models/index.ts';

const isOfFeature = (command: string): boolean => command === 'handover';

const spare = { pid: 655, generation: 2, state: 'ready', uptimeMs: 5000, pids: [655] };
const lastReplaced = { count: 3, guard: 'max-age', reason: 'it was 6h old (--max-age)', agoMs: 5 };

const requests: protocol.ControlRequest[] = [
  { command: 'ping' },
  { command: 'status' },
  { command: 'stop' },
  { command: 'reload' },
  { command: 'reload', early: true },
  { command: 'restart' },
  { command: 'scale', workers: 8 },
  { command: 'scale', workers: '+1' },
  { command: 'scale', workers: '-12' },
  { command: 'scale', workers: '2-8' },
  { command: 'handover', fields: { version: '2.0.0', pids: [1, 2] } },
];

describe('a request', () => {
  test.each(requests)('%j comes back, as one short line', (request) => {
    const line = protocol.formatRequest(request);
    expect(line).toMatch(/^\{"v":1,"command":[^\n]*\}\n$/);
    expect(Buffer.byteLength(line)).toBeLessThan(protocol.limits.requestBytes);
    expect(parseRequest(line, isOfFeature)).toStrictEqual(request);
  });

  test('with fields that nobody knows is read all the same', () => {
    expect(parseRequest('{"v":1,"command":"ping","later":true}', isOfFeature)).toStrictEqual({
      command: 'ping',
    });
  });

  test.each([
    ['', 'malformed'],
    ['{', 'malformed'],
    ['null', 'malformed'],
    ['[]', 'malformed'],
    ['"ping"', 'malformed'],
    ['GET / HTTP/1.1', 'malformed'],
    ['{}', 'malformed'],
    ['{"command":"ping"}', 'malformed'],
    ['{"v":"1","command":"ping"}', 'malformed'],
    ['{"v":1}', 'malformed'],
    ['{"v":1,"command":7}', 'malformed'],
    ['{"v":2}', 'version'],
    ['{"v":0,"command":"ping"}', 'version'],
    ['{"v":1,"command":"Ping"}', 'unknown-command'],
    ['{"v":1,"command":"__proto__"}', 'unknown-command'],
    ['{"v":1,"command":"scale"}', 'invalid'],
    ['{"v":1,"command":"scale","workers":0}', 'invalid'],
    ['{"v":1,"command":"scale","workers":-1}', 'invalid'],
    ['{"v":1,"command":"scale","workers":1.5}', 'invalid'],
    ['{"v":1,"command":"scale","workers":65536}', 'invalid'],
    ['{"v":1,"command":"scale","workers":"8"}', 'invalid'],
    ['{"v":1,"command":"scale","workers":"+"}', 'invalid'],
    ['{"v":1,"command":"scale","workers":"+1e9"}', 'invalid'],
    ['{"v":1,"command":"scale","workers":null}', 'invalid'],
    ['{"v":1,"command":"scale","workers":"8-2"}', 'invalid'],
  ])('%s is refused as %s', (line, error) => {
    expect(parseRequest(line, isOfFeature)).toMatchObject({ error, message: expect.any(String) as string });
  });

  test('is never read from garbage, and reading never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(parseRequest(text, isOfFeature)).toHaveProperty('error');
        expect(['malformed', 'version']).toContain(parseAnswer(text).kind);
      }),
    );
  });
});

describe('an answer', () => {
  const pool: protocol.PoolStatus = { ...examplePool(), workers: [exampleWorker()] };
  const results: protocol.ControlResult[] = [
    { ok: true, status: 0, message: 'reloaded: generation 2, 4 workers' },
    { ok: true, status: 3, message: '' },
    { ok: true, status: 0, message: '', pool: examplePool() },
    { ok: true, status: 0, message: '', pool },
    ...protocol.controlErrors.map((error) => protocol.refusal(error, 'no\nsuch thing')),
  ];

  test.each(results)('%j comes back, as one line', (result) => {
    const line = protocol.formatResult(result);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(parseAnswer(line)).toStrictEqual({ kind: 'result', result });
  });

  test('of progress comes back', () => {
    expect(parseAnswer(protocol.formatProgress('slot 0: up\n'))).toStrictEqual({
      kind: 'progress',
      text: 'slot 0: up\n',
    });
  });

  test('of another version says which, whatever else it holds', () => {
    expect(parseAnswer('{"v":2,"result":{"fine":true}}')).toStrictEqual({ kind: 'version', version: 2 });
  });

  test('has workers or not', () => {
    expect([
      protocol.hasWorkers(pool),
      protocol.hasWorkers(examplePool()),
      protocol.hasWorkers(undefined),
    ]).toEqual([true, false, false]);
  });

  test.each([
    { status: 256 },
    { status: -1 },
    { status: '0' },
    { message: 7 },
    { ok: 'yes' },
    { ok: false },
    { ok: false, error: 'unheard-of' },
    { pool: null },
    { pool: [] },
  ])('with %j is malformed', (changes) => {
    const line = JSON.stringify({ v: 1, ok: true, status: 0, message: '', ...changes });
    expect(parseAnswer(line)).toStrictEqual({ kind: 'malformed' });
  });

  test.each(Object.keys(examplePool()))('with a pool whose %s is of another type is malformed', (name) => {
    for (const wrong of [undefined, {}, [7], -1, true])
      expect(kindWithPool({ ...pool, [name]: wrong })).toBe('malformed');
  });

  test.each(Object.keys(exampleWorker()))(
    'with a worker whose %s is of another type is malformed',
    (name) => {
      for (const wrong of [undefined, {}, ['x'], -1, true]) {
        expect(kindWithPool({ ...pool, workers: [{ ...exampleWorker(), [name]: wrong }] })).toBe('malformed');
      }
    },
  );

  test.each([
    { operation: null },
    { lastReload: null },
    { queue: null },
    { pidFile: null },
    { workers: [] },
    { given: "'php.socket' (descriptor 3)" },
    { spares: undefined },
    { spares: { wanted: 2, isPossible: false, workers: [] } },
    { spares: { wanted: 1, isPossible: true, workers: [spare] } },
    { replaced: undefined },
    { replaced: { 'max-age': 2, 'some newer guard': 0 } },
    { workers: [{ ...exampleWorker(), replaced: null }] },
    { workers: [{ ...exampleWorker(), replaced: lastReplaced }] },
    { log: undefined },
    { log: { kind: 'syslog' } },
    { scaling: { min: 2, max: 8, processors: null, last: null, note: null } },
    {
      scaling: {
        min: 2,
        max: 8,
        processors: 4,
        note: 'it cannot be told',
        last: { from: 2, to: 3, reason: 'nobody idle', agoMs: 5 },
      },
    },
    { log: { kind: 'file', path: '/var/log/a.log' } },
    { log: { kind: 'descriptor', number: 2, leadsTo: 'pipe:[7]' } },
    { counts: { restarts: { crash: 1, 'some newer reason': 2 }, reloads: {} } },
    { statusSocket: { address: '127.0.0.1:9001', file: null } },
    { peaks: { queue: 0, active: 3 } },
  ])('with a pool of %j is one', (changes) => {
    expect(kindWithPool({ ...pool, ...changes })).toBe('result');
  });

  test.each([
    { operation: { kind: 'reload' } },
    { lastReload: { result: 'perhaps', agoMs: 1, message: '' } },
    { queue: { length: 1 } },
    { socketFile: 'lost' },
    { given: 3 },
    { given: null },
    { scaling: null },
    { scaling: { min: 2, max: 8, processors: 'all', last: null, note: null } },
    { scaling: { min: 2, max: 8, processors: null, last: {}, note: null } },
    { workers: {} },
    { workers: [null] },
    { spares: null },
    { spares: { wanted: 1, workers: [] } },
    { spares: { wanted: 1, isPossible: true, workers: [{ ...spare, state: 'asleep' }] } },
    { spares: { wanted: 1, isPossible: true, workers: [{ ...spare, pids: undefined }] } },
    { replaced: null },
    { replaced: { 'max-age': -1 } },
    { workers: [{ ...exampleWorker(), replaced: { ...lastReplaced, agoMs: 'long' } }] },
    { log: null },
    { log: { kind: 'elsewhere' } },
    { log: { kind: 'file', path: 'a.log' } },
    { log: { kind: 'descriptor', number: '2', leadsTo: 'pipe:[7]' } },
    { counts: { restarts: { crash: -1 }, reloads: {} } },
    { counts: { restarts: {} } },
    {
      counts: {
        restarts: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`r${at}`, 1])),
        reloads: {},
      },
    },
    { statusSocket: { address: '/run/a', file: 'lost' } },
    { peaks: { queue: 1 } },
  ])('with a pool of %j is malformed', (changes) => {
    expect(kindWithPool({ ...pool, ...changes })).toBe('malformed');
  });

  function kindWithPool(changed: object): string {
    return parseAnswer(JSON.stringify({ v: 1, ok: true, status: 0, message: '', pool: changed })).kind;
  }
});

test('every error and every end of a reload has an exit status that spawn-fcgictl documents', () => {
  expect(Object.values(protocol.statusOfReload)).toEqual([0, 1, 2, 3]);
  for (const error of protocol.controlErrors)
    expect([1, 5, 6, 7, 255]).toContain(protocol.statusOfError[error]);
});
