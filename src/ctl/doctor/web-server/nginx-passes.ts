// What nginx's configuration passes on to FastCGI, with what is in effect there: root, parameters, limit of bodies.
import { dirname } from 'node:path';
import { parseSize } from '../../../core/quantity.ts';
import type { Configuration } from './configuration.ts';
import { parseNginx, type Directive, type Files } from './nginx-tree.ts';
import { addressesIn, type NginxLocation, type Pass } from './pass.ts';

const nowhere: NginxLocation = { root: undefined, params: new Map(), bodyLimit: undefined };

export function readNginx(path: string, files: Files): Configuration {
  const tree = parseNginx(path, dirname(path), files);
  const upstreams = new Map<string, Directive>();
  for (const one of everyDirective(tree)) if (one.name === 'upstream') upstreams.set(one.args[0] ?? '', one);
  const passes: Pass[] = [];
  collect(tree, nowhere, upstreams, passes);
  const [user] = tree.find(({ name }) => name === 'user')?.args ?? [];
  return { user, passes };
}

function* everyDirective(block: readonly Directive[]): Generator<Directive> {
  for (const directive of block) {
    yield directive;
    if (directive.block) yield* everyDirective(directive.block);
  }
}

function collect(
  block: readonly Directive[],
  outer: NginxLocation,
  upstreams: ReadonlyMap<string, Directive>,
  passes: Pass[],
): void {
  const location = within(block, outer);
  for (const directive of block) {
    if (directive.name === 'fastcgi_pass') passes.push(...passesOf(directive, location, upstreams));
    if (directive.block && directive.name !== 'upstream')
      collect(directive.block, location, upstreams, passes);
  }
}

/** What a block inherits and changes: parameters of the level above count only where it has none of its own. */
function within(block: readonly Directive[], outer: NginxLocation): NginxLocation {
  const last = (name: string): Directive | undefined => block.findLast((one) => one.name === name);
  const own = block.filter(({ name }) => name === 'fastcgi_param');
  const limit = last('client_max_body_size');
  const bytes = limit && parseSize((limit.args[0] ?? '').toUpperCase());
  return {
    root: last('root')?.args[0] ?? outer.root,
    params:
      own.length > 0 ? new Map(own.map(({ args: [name = '', value = ''] }) => [name, value])) : outer.params,
    bodyLimit: limit && bytes !== undefined ? { bytes, place: limit.place } : outer.bodyLimit,
  };
}

function passesOf(
  { args: [to = ''], place }: Directive,
  location: NginxLocation,
  upstreams: ReadonlyMap<string, Directive>,
): Pass[] {
  const upstream = upstreams.get(to);
  if (!upstream) return [{ text: `fastcgi_pass ${to}`, place, addresses: addressesIn(to), location }];
  const servers = (upstream.block ?? []).filter(
    ({ name, args }) => name === 'server' && !args.includes('down'),
  );
  return servers.map(({ args: [address = ''], place: where }) => ({
    text: `server ${address} (of fastcgi_pass ${to}, ${place})`,
    place: where,
    addresses: addressesIn(address),
    location,
  }));
}
