// `npm run pages`: writes the tables of options in README.md and docs/options.md, and the text of -h that a test
// compares, as the table of options (src/command-line) has them now.
import { writeFileSync } from 'node:fs';
import { readPages } from './helpers/pages/option-pages.ts';

for (const { path, url, is, shouldBe } of readPages()) {
  if (is === shouldBe) continue;
  writeFileSync(url, shouldBe);
  process.stdout.write(`${path} is renewed\n`);
}
