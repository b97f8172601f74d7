// Programs that draw: MapServer, and iipsrv for pictures in tiles. What they are asked, and how they are held: both
// open a file that the request names.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holdAt, holdByStop } from '../web/index.ts';
import type { Answer, Question } from './exchange.ts';
import { upload } from './payloads.ts';
import { askAndJudge, type Installation, type Verdict, type Tested } from './tested.ts';
import { tiledTiff } from './tiled-tiff.ts';

const WORKERS = 6;
const body = Buffer.alloc(upload.length, 'x');
const form = 'application/x-www-form-urlencoded';

/** It has to be whole, and the same behind every server. */
class Picture {
  readonly #path: string;
  readonly #begin: string;
  readonly #type: string;
  readonly #least: number;
  #first: Pick<Answer, 'bytes' | 'sum'> | undefined;

  constructor(path: string, type: string, begin: string, least: number) {
    this.#path = path;
    this.#type = type;
    this.#begin = begin;
    this.#least = least;
  }

  get question(): Question {
    return { path: this.#path };
  }

  get(port: number): Promise<Verdict> {
    return askAndJudge(port, this.question, ({ text, headers, bytes, sum }) => {
      this.#first ??= { bytes, sum };
      const isSame = bytes === this.#first.bytes && sum === this.#first.sum && bytes >= this.#least;
      return isSame && headers['content-type'] === this.#type && text.startsWith(this.#begin);
    });
  }

  head(port: number): Promise<Verdict> {
    const question = { ...this.question, method: 'HEAD' };
    return askAndJudge(
      port,
      question,
      ({ bytes, headers }) => bytes === 0 && headers['content-type'] === this.#type,
    );
  }
}

function drawing(
  small: Picture,
  large: Picture,
  upstream: Installation['upstream'],
  isUploaded: (answer: Answer) => boolean,
): Pick<Installation, 'get' | 'head' | 'download' | 'upload' | 'large' | 'upstream'> {
  return {
    get: (port) => small.get(port),
    head: (port) => small.head(port),
    download: (port) => large.get(port),
    upload: (port) => askAndJudge(port, upstream, isUploaded),
    large: large.question,
    upstream,
  };
}

const mapserv = '/usr/lib/cgi-bin/mapserv';

const map = `MAP
  NAME "site"
  SIZE 64 64
  EXTENT -180 -90 180 90
  MAXSIZE 4096
  IMAGETYPE "plain"
  OUTPUTFORMAT NAME "plain" DRIVER "AGG/PNG" MIMETYPE "image/png" IMAGEMODE RGB FORMATOPTION "COMPRESSION=0" END
  LAYER
    NAME "square"
    TYPE POLYGON
    STATUS DEFAULT
    FEATURE POINTS -90 -45 -90 45 90 45 90 -45 -90 -45 END END
    CLASS STYLE COLOR 40 90 160 END END
  END
END
`;

const mapServer: Tested = {
  name: 'MapServer',
  missing: existsSync(mapserv) ? undefined : 'needs MapServer',
  shape: 'program',
  workers: WORKERS,
  install(dir) {
    writeFileSync(join(dir, 'site.map'), map);
    writeFileSync(join(dir, 'mapserver.conf'), `CONFIG\n  ENV\n    MS_MAP_PATTERN "^${dir}/"\n  END\nEND\n`);
    const query = (file: string, size: string): string => `map=${join(dir, file)}&mode=map&mapsize=${size}`;
    const small = new Picture(`/?${query('site.map', '64+64')}`, 'image/png', '\x89PNG', 64);
    const large = new Picture(`/?${query('site.map', '1400+1250')}`, 'image/png', '\x89PNG', 5 * 2 ** 20);
    const upstream = { method: 'POST', path: '/', type: form, body: withForm(query('site.map', '64+64')) };
    return {
      ...drawing(small, large, upstream, ({ text }) => text.startsWith('\x89PNG')),
      command: [mapserv],
      env: { MAPSERVER_CONFIG_FILE: join(dir, 'mapserver.conf') },
      path: mapserv,
      async hold(port, key) {
        const file = `hold-${key}.map`;
        const path = `/?${query(file, '64+64')}`;
        const held = await holdAt(join(dir, file), () =>
          askAndJudge(port, { path }, ({ text }) => text.startsWith('\x89PNG')),
        );
        return { ...held, release: () => held.release(map) };
      },
    };
  },
};

/** A form of 10 MB with the question at its beginning. */
function withForm(query: string): Buffer {
  return Buffer.concat([Buffer.from(`${query}&`), body.subarray(query.length + 1)]);
}

const iipsrv = '/usr/lib/iipimage-server/iipsrv.fcgi';

const imageServer: Tested = {
  name: 'iipsrv',
  missing: existsSync(iipsrv) ? undefined : 'needs iipsrv (iipimage-server)',
  shape: 'program',
  workers: WORKERS,
  install(dir) {
    writeFileSync(join(dir, 'noise.tif'), tiledTiff(8));
    const small = new Picture('/?FIF=noise.tif&WID=64&CVT=jpeg', 'image/jpeg', '\xff\xd8', 64);
    const large = new Picture('/?FIF=noise.tif&QLT=100&CVT=jpeg', 'image/jpeg', '\xff\xd8', 5 * 2 ** 20);
    const upstream = { method: 'POST', path: small.question.path, type: form, body };
    return {
      ...drawing(small, large, upstream, ({ text }) => text.startsWith('\xff\xd8')),
      command: [iipsrv],
      env: { FILESYSTEM_PREFIX: `${dir}/`, MAX_CVT: '4096' },
      path: iipsrv,
      hold: (port, _key, workers) => holdByStop(workers, () => large.get(port)),
    };
  },
};

export const mapPrograms: readonly Tested[] = [mapServer, imageServer];
