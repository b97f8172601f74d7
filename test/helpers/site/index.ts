// Sites as operators run them: nginx, and pools of the real FastCGI programs. Looks at the machine when it is loaded.
export * from './applications.ts';
export * from './nginx.ts';
export * from './site.ts';
export * from './status-nginx.ts';
