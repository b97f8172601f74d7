// The web servers that doctor knows: a row is all that another one needs.
import type { Kind } from './configuration.ts';
import { readNginx } from './nginx-passes.ts';
import { readBy } from './other-servers.ts';

export const kinds: readonly Kind[] = [
  {
    name: 'nginx',
    processes: ['nginx', 'openresty', 'angie', 'freenginx'],
    paths: [
      '/etc/nginx/nginx.conf',
      '/usr/local/nginx/conf/nginx.conf',
      '/usr/local/etc/nginx/nginx.conf',
      '/usr/local/openresty/nginx/conf/nginx.conf',
    ],
    sign: /\bfastcgi_pass\b|^\s*(?:http|events)\s*\{/m,
    read: readNginx,
  },
  {
    name: 'lighttpd',
    processes: ['lighttpd'],
    paths: ['/etc/lighttpd/lighttpd.conf'],
    sign: /\bfastcgi\.server\b|\bserver\.(?:modules|document-root)\b/,
    read: readBy('lighttpd'),
  },
  {
    name: 'Apache',
    processes: ['apache2', 'httpd', 'httpd2', 'httpd-prefork'],
    paths: ['/etc/apache2/apache2.conf', '/etc/httpd/conf/httpd.conf', '/etc/apache2/httpd.conf'],
    sign: /^\s*(?:<VirtualHost|LoadModule|SetHandler|ProxyPass|FastCgiExternalServer)\b/im,
    read: readBy('apache'),
  },
  {
    name: 'Caddy',
    processes: ['caddy'],
    paths: ['/etc/caddy/Caddyfile'],
    sign: /\bphp_fastcgi\b/,
    read: readBy('caddy'),
  },
  {
    name: 'HAProxy',
    processes: ['haproxy'],
    paths: ['/etc/haproxy/haproxy.cfg'],
    sign: /^\s*fcgi-app\b|\bproto\s+fcgi\b/m,
    read: readBy('haproxy'),
  },
];
