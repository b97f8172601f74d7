// Build step: the page, its style and its script in one file, the first line of which has what the server must know of it
// (src/features/status-socket/page-file.ts). src/build.sh runs it with the bundled style and script, and where to write.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const [page = '', style = '', script = '', target = ''] = process.argv.slice(2);
const read = (path: string): string => readFileSync(path, 'utf8').trimEnd();
const hash = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;
const [styleText, scriptText] = [read(style), read(script)];
// A function: what stands in a replacement would count.
const whole = read(page)
  .replaceAll(/^ +/gm, '')
  .replace('<style></style>', () => `<style>${styleText}</style>`)
  .replace('<script></script>', () => `<script>${scriptText}</script>`);
const id = createHash('sha256').update(whole).digest('hex').slice(0, 16);
const text = whole.replace('<html ', () => `<html data-page="${id}" `);
// The supervisor keeps it in memory, where other characters would double it; these two would end an element early.
if (/[^\n -~]/.test(text)) throw new Error('the page has characters that are not ASCII');
if (/<\/(?:script|style)/i.test(styleText + scriptText)) throw new Error('script or style would end early');
const head = JSON.stringify({ id, script: hash(scriptText), style: hash(styleText) });
writeFileSync(`${target}.new`, `${head}\n${text}\n`);
renameSync(`${target}.new`, target);
