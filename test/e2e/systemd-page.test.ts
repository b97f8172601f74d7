// Types in the commands of docs/systemd.md, section by section, on one systemd machine: as root, and as an ordinary user
// with a systemd of his own.
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { systemdSections } from '../helpers/pages/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

const needed = ['php-cgi', 'setpriv'];
const sections = systemdSections();
let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  await systemd.startUserSystemd(host);
});
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));

test('there are sections to type in', () => {
  expect(sections.length).toBeGreaterThan(5);
});

test.for(sections)('$heading', async ({ blocks }) => {
  for (const { commands, byUser } of blocks) {
    const script = `set -e\n${commands}`;
    const { status, stdout, stderr } = await host.run(byUser ? systemd.typedByUser(script) : script);
    expect(status, `${commands}\n${stdout}${stderr}`).toBe(0);
  }
});
