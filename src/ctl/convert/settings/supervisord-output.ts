// Where supervisord puts what programs print, and where that goes here.
import type { Expanded } from '../syntax/supervisord-text.ts';
import type { Draft } from '../wanted-pool.ts';

type Look = (name: string) => Expanded | '' | undefined;

/** Two streams there, one target for both here. */
export function addOutput(draft: Draft, name: string, look: Look): void {
  const text = (setting: string): string => (look(setting) || undefined)?.text ?? '';
  if (/^(?:true|yes|on|1)$/i.test(text('stdout_syslog')) || text('stdout_logfile') === 'syslog') {
    draft.options.output = `|logger -t ${name.replaceAll(/[^\w.-]/g, '-')}`;
    return;
  }
  const isJoined = /^(?:true|yes|on|1)$/i.test(text('redirect_stderr'));
  const out = targetOf(text('stdout_logfile'));
  const err = isJoined ? out : targetOf(text('stderr_logfile'));
  const isMany = [out, err].some((target) => target === 'auto');
  if (out === err && !isMany) draft.options.output = out;
  else addOne(draft, out, err);
  if (draft.options.output?.startsWith('/') !== true || draft.options.output.startsWith('/dev/')) return;
  const sizes = [
    'stdout_logfile_maxbytes',
    'stdout_logfile_backups',
    'stderr_logfile_maxbytes',
    'stderr_logfile_backups',
  ];
  const size = sizes.map(text).find((value) => value !== '');
  if (text('stdout_logfile_maxbytes') !== '0')
    draft.remark(
      `${draft.options.output}: supervisord rotates it${size === undefined ? ' at 50 MB' : ` (${size})`}; here logrotate does, with copytruncate`,
    );
}

/** What is told from two targets that are not one. */
function addOne(draft: Draft, out: string, err: string): void {
  const named = [out, err].find((target) => target !== 'auto' && target !== 'null');
  if (named === undefined) {
    draft.remark(
      "what it prints goes into files of supervisord's own (AUTO); here it is discarded in the background: --output FILE or --output journal keeps it",
    );
    return;
  }
  draft.options.output = named;
  const other = named === out ? err : out;
  draft.lose(
    `stdout_logfile and stderr_logfile: both streams go to one target, ${named}; ${other === 'auto' ? "the other one had a file of supervisord's own" : `${other} is not used`}`,
  );
}

function targetOf(value: string): string {
  if (value === '' || /^auto$/i.test(value)) return 'auto';
  return /^(?:none|off)$/i.test(value) || value === '/dev/null' ? 'null' : value;
}
