// What a web server tells an application of a request: nginx's fastcgi_params, and what applications look for in different
// places. Pure.
import manifest from '../../../package.json' with { type: 'json' };
import type { Parameters } from '../../fastcgi/request.ts';

const software = `spawn-fcgictl/${manifest.version}`;

export interface RequestFacts {
  readonly method: string;
  /** Printable ASCII that begins with a slash. */
  readonly uri: string;
  /** Where the scripts are. */
  readonly root?: string | undefined;
  /** Undefined: no body. */
  readonly bodyBytes?: number | undefined;
  readonly isAuthorizer?: boolean;
  /** Of the caller; they win. */
  readonly params?: Readonly<Record<string, string>>;
}

const formType = 'application/x-www-form-urlencoded';

export function parametersFor(facts: RequestFacts): Parameters {
  const { method, uri, bodyBytes, isAuthorizer = false, params = {} } = facts;
  const [path = '', ...query] = uri.split('?');
  return {
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: software,
    SERVER_PROTOCOL: 'HTTP/1.1',
    SERVER_NAME: 'localhost',
    SERVER_ADDR: '127.0.0.1',
    SERVER_PORT: '80',
    REMOTE_ADDR: '127.0.0.1',
    REMOTE_PORT: '0',
    REQUEST_METHOD: method,
    REQUEST_SCHEME: 'http',
    REQUEST_URI: uri,
    QUERY_STRING: query.join('?'),
    // php-cgi refuses without it (cgi.force_redirect).
    REDIRECT_STATUS: '200',
    HTTP_HOST: 'localhost',
    HTTP_USER_AGENT: software,
    ...(isAuthorizer ? {} : placesOf(decodePath(path), facts)),
    ...(isAuthorizer ? {} : { CONTENT_LENGTH: String(bodyBytes ?? '') }),
    CONTENT_TYPE: bodyBytes === undefined ? '' : formType,
    ...params,
  };
}

/**
 * PHP and fcgiwrap look for the path in SCRIPT_FILENAME, Python, Perl and Ruby in PATH_INFO, Go in REQUEST_URI. Where the
 * script is named there is no PATH_INFO, as with nginx: PHP would append it to its own name.
 */
function placesOf(path: Buffer, { root, params = {} }: RequestFacts): Parameters {
  const isScript = root !== undefined || params['SCRIPT_FILENAME'] !== undefined;
  return {
    DOCUMENT_URI: path,
    DOCUMENT_ROOT: root ?? '/',
    SCRIPT_NAME: path,
    SCRIPT_FILENAME: Buffer.concat([Buffer.from(root?.replace(/\/+$/, '') ?? ''), path]),
    ...(isScript ? {} : { PATH_INFO: path }),
  };
}

/** The bytes that `%41` and the like stand for. */
function decodePath(path: string): Buffer {
  const decoded = path.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}
