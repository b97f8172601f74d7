// What `npm test` prints while it runs: a line for each file with its duration, below it only what failed and why. What
// tests themselves print (tables of ledgers) is shown where it helps: of a failed file, or when few files run.
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestModule, TestSuite, Vitest } from 'vitest/node';

type Logged = Parameters<NonNullable<Reporter['onUserConsoleLog']>>[0];

const FEW = 3;

export class FileLines implements Reporter {
  #vitest: Vitest | undefined;
  #showsAll = false;
  readonly #begins = new Map<string, number>();
  /** By the test, suite or file that printed it. */
  readonly #printed = new Map<string, string>();

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunStart(specifications: readonly unknown[]): void {
    this.#showsAll = specifications.length <= FEW;
  }

  onTestModuleQueued({ id }: TestModule): void {
    this.#begins.set(id, performance.now());
  }

  onUserConsoleLog({ taskId = '', content }: Logged): void {
    this.#printed.set(taskId, (this.#printed.get(taskId) ?? '') + content);
  }

  onTestModuleEnd(module: TestModule): void {
    const tests = [...module.children.allTests()];
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    // What `-t` leaves out is skipped as well, without a note.
    const skipped = tests.filter((test) => {
      const result = test.result();
      return result.state === 'skipped' && result.note !== undefined;
    });
    const tookMs = performance.now() - (this.#begins.get(module.id) ?? performance.now());
    const hasFailed = module.state() === 'failed';
    const of = [`${count('passed')} passed`];
    if (count('failed') > 0) of.push(`${count('failed')} failed`);
    if (skipped.length > 0) of.push(`${skipped.length} skipped`);
    const took = `${(tookMs / 1000).toFixed(1)} s`.padStart(7);
    write(`${hasFailed ? 'FAILED' : 'ok    '} ${took}  ${module.relativeModuleId} (${of.join(', ')})\n`);
    if (hasFailed) this.#describeFailures(module);
    if (hasFailed || this.#showsAll) this.#showPrinted(module);
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    for (const error of unhandled) this.#describe('outside of any test', error);
  }

  #describeFailures(module: TestModule): void {
    const parts: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
    for (const part of parts) {
      const name = part.type === 'module' ? 'the file itself' : part.fullName;
      for (const error of part.errors()) this.#describe(name, error, module);
    }
    for (const test of module.children.allTests('failed'))
      for (const error of test.result().errors ?? []) this.#describe(test.fullName, error, module);
  }

  /** With a part of the code, the difference, and the stack as far as it is ours. */
  #describe(name: string, error: unknown, module?: TestModule): void {
    const options = module ? { project: module.project } : {};
    const text = this.#vitest?.logger.formatError(error, options).output ?? String(error);
    const plain = process.stdout.isTTY ? text : stripVTControlCharacters(text);
    write(`\n  ${name}\n${plain.trimEnd().replaceAll(/^(?=.)/gm, '    ')}\n\n`);
  }

  #showPrinted(module: TestModule): void {
    const own = [module, ...module.children.allSuites(), ...module.children.allTests()];
    for (const { id } of own) write(this.#printed.get(id) ?? '');
  }
}

function write(text: string): void {
  process.stdout.write(text);
}
