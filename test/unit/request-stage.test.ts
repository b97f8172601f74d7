// When a request is slow, stuck, recovered or another one, by what looks at it show.
import { describe, expect, test } from 'vitest';
import {
  firstSight,
  look,
  type RequestLimits,
  type RequestSight,
  type RequestStep,
} from '../../src/core/request-stage.ts';

const atWork: RequestSight = {
  work: 'request',
  isTouched: false,
  quietMs: undefined,
  isStopped: false,
  isDumping: false,
};
const killing: RequestLimits = { timeoutMs: 10_000, hasSignal: false };
const signalling: RequestLimits = { timeoutMs: 10_000, hasSignal: true };

/** What is done, second by second, at what is seen in each; the first sight is in second 0. */
function stepsOf(
  limits: RequestLimits,
  seconds: number,
  seen: (second: number) => Partial<RequestSight>,
): string[] {
  let state = firstSight(0);
  const steps: string[] = [];
  for (let second = 1; second <= seconds; second++) {
    const result = look(state, { ...atWork, ...seen(second) }, second * 1000, limits);
    state = result.state;
    if (result.step !== 'none') steps.push(`${second} ${result.step satisfies RequestStep}`);
  }
  return steps;
}

describe('a request that nobody answers', () => {
  test('is told of at half of its time, and its worker killed at the end of it', () => {
    expect(stepsOf(killing, 20, () => ({}))).toEqual(['5 tell', '10 kill']);
  });

  test('with a stuck signal gets that, and KILL a second later', () => {
    expect(stepsOf(signalling, 20, () => ({}))).toEqual(['5 tell', '10 signal', '11 kill']);
  });

  test('that ends on the stuck signal has recovered, and nobody is killed', () => {
    const seen = (second: number): Partial<RequestSight> => ({ work: second > 10 ? 'client' : 'request' });
    expect(stepsOf(signalling, 30, seen)).toEqual(['5 tell', '10 signal', '11 recovered']);
  });

  test('is not killed while its core is written, but not for ever', () => {
    const dumps = (until: number) => (second: number) => ({ isDumping: second > 10 && second < until });
    expect(stepsOf(signalling, 20, dumps(15))).toEqual(['5 tell', '10 signal', '15 kill']);
    expect(stepsOf(signalling, 100, dumps(100))).toEqual(['5 tell', '10 signal', '70 kill']);
  });
});

describe('a worker that is stopped', () => {
  test('is left alone and told of once, and ended when it goes on', () => {
    const seen = (second: number): Partial<RequestSight> => ({ isStopped: second < 15 });
    expect(stepsOf(killing, 20, seen)).toEqual(['5 tell', '10 spare', '15 kill']);
    expect(stepsOf(signalling, 20, seen)).toEqual(['5 tell', '10 spare', '15 signal', '16 kill']);
  });

  test('after its stuck signal is left alone as well', () => {
    const seen = (second: number): Partial<RequestSight> => ({ isStopped: second > 10 && second < 13 });
    expect(stepsOf(signalling, 20, seen)).toEqual([
      '5 tell',
      '10 signal',
      '11 spare',
      '13 signal',
      '14 kill',
    ]);
  });
});

describe('the time begins anew', () => {
  test('when something has come or gone on the connection, which may be the next request', () => {
    expect(stepsOf(killing, 30, (second) => ({ isTouched: second % 4 === 0 }))).toEqual([]);
    expect(stepsOf(killing, 20, (second) => ({ isTouched: second === 7 }))).toEqual([
      '5 tell',
      '12 tell',
      '17 kill',
    ]);
  });

  test('when the worker was seen to wait for its client', () => {
    const seen = (second: number): Partial<RequestSight> => ({
      work: second % 3 === 0 ? 'client' : 'request',
    });
    expect(stepsOf(killing, 30, seen)).toEqual([]);
  });

  test('when the kernel knows that its client sent something later', () => {
    expect(stepsOf(killing, 20, (second) => ({ quietMs: Math.max(0, second - 4) * 1000 }))).toEqual([
      '9 tell',
      '14 kill',
    ]);
  });

  test('but not with what the kernel says of the time in the queue, before the worker had it', () => {
    expect(stepsOf(killing, 20, (second) => ({ quietMs: 60_000 + second * 1000 }))).toEqual([
      '5 tell',
      '10 kill',
    ]);
  });
});
