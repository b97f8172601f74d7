// The page of a pool: asks the supervisor, and shows what it says. docs/monitoring.md says what is to be seen on it.
import type { PageData } from './data.ts';
import { CpuShares } from './cpu-shares.ts';
import { byId, setAttribute, setTerms, setText } from './dom.ts';
import { EventList, showReload } from './views/event-list.ts';
import { joinEvents, joinLooks, type SeenEvent, type SeenLook } from './history.ts';
import { poolFacts } from './views/pool-facts.ts';
import { drawChart, mostOf, whenResized } from './views/queue-chart.ts';
import { Renewal } from './renewal.ts';
import { showSign } from './views/sign.ts';
import { barsOf, WorkerBars } from './views/worker-bars.ts';
import { WorkerTable } from './views/worker-table.ts';
import { clock } from './words.ts';

const own = document.documentElement.dataset.page;
const shares = new CpuShares();
const bars = new WorkerBars();
const table = new WorkerTable(byId('table'));
const list = new EventList();
const chart = byId('chart');
const pause = byId('pause');
let looks: readonly SeenLook[] = [];
let events: readonly SeenEvent[] = [];
let latest: PageData | undefined;
let answeredAt = new Date();
let isOwn = false;

const renewal = new Renewal({ show, miss });

begin();

function begin(): void {
  for (const id of ['top', 'live']) byId(id).hidden = false;
  const figures = byId('figures');
  figures.removeAttribute('open');
  // The second one is the workers', which have a table of their own here.
  figures.querySelectorAll('table ~ table').forEach((element) => element.remove());
  pause.addEventListener('click', () => {
    renewal.pause(!renewal.isPaused);
    setText(pause, renewal.isPaused ? 'Resume' : 'Pause');
    if (renewal.isPaused) setText(byId('renewed'), `as it was at ${clock(answeredAt)}`);
  });
  whenResized(chart, draw);
  renewal.begin();
}

function show(data: PageData): void {
  // The supervisor is of another version by now, and so is its page.
  if (isOwn && data.page !== own) return location.reload();
  isOwn = data.page === own;
  const nowMs = performance.now();
  const news = describeNews(latest, data);
  latest = data;
  answeredAt = new Date();
  looks = joinLooks(looks, data.looks, nowMs);
  events = joinEvents(events, data, nowMs);
  document.documentElement.classList.remove('silent');
  setText(byId('name'), data.name);
  setText(byId('where'), `on ${data.address}`);
  setText(byId('renewed'), `as of ${clock(answeredAt)}`);
  const { kind, text } = data.health;
  // It serves, but not as it should.
  showHealth(kind === 'serving' && text !== kind ? 'uneasy' : kind, text, data.name);
  if (news !== '') setText(byId('news'), news);
  showWorkers(data, nowMs);
  showQueue(data);
  list.show(events, data, nowMs);
  showReload(data);
  showFigures(data);
  draw();
}

function miss(reason: string, retryMs: number): void {
  document.documentElement.classList.add('silent');
  const since = latest ? ` since ${clock(answeredAt)}` : '';
  const text = `not answered${since}: ${reason}`;
  showHealth('silent', text, latest?.name ?? document.title);
  setText(byId('renewed'), renewal.isPaused ? '' : `asked again in ${retryMs / 1000} s`);
  setText(byId('news'), text);
}

function showHealth(kind: string, text: string, name: string): void {
  setAttribute(byId('health'), 'data-kind', kind);
  setText(byId('word'), text);
  showSign(kind, text, name);
}

/** What has changed since the answer before that somebody who listens should hear of; mostly nothing. */
function describeNews(before: PageData | undefined, { health, operation, pid }: PageData): string {
  if (!before || document.documentElement.classList.contains('silent')) return health.text;
  if (before.pid !== pid) return `The pool has another supervisor, PID ${pid}`;
  if (before.health.kind !== health.kind) return health.text;
  if (before.operation?.kind === operation?.kind) return '';
  return operation ? `${operation.kind} under way` : `${before.operation?.kind} over`;
}

function showWorkers(data: PageData, nowMs: number): void {
  const spent = new Map<number, number | undefined>();
  for (const { pid, usage } of [...data.workers, ...(data.spares?.workers ?? [])])
    if (pid !== undefined) spent.set(pid, shares.note(String(pid), usage?.cpuMs, nowMs));
  const shareOf = (pid: number | undefined): number | undefined =>
    pid === undefined ? undefined : spent.get(pid);
  const all = barsOf(data);
  bars.show(all, shareOf);
  table.show(all, shareOf);
  const supervisor = shares.note(`supervisor ${data.pid}`, data.supervisor?.cpuMs, nowMs);
  const workers = shares.note(`workers ${data.pid}`, data.cpuMs ?? undefined, nowMs);
  shares.forget(nowMs);
  setTerms(byId('facts'), poolFacts(data, { workers, supervisor }));
}

function showQueue({ queue }: PageData): void {
  const most = mostOf(looks, ({ queue: length }) => length ?? 0);
  const text = queue
    ? `${queue.length} waiting now, ${most} at most in the last ten minutes; ${queue.backlog} may wait. Blank: nobody has looked`
    : 'the kernel does not tell how many wait';
  setText(byId('queue-note'), text);
}

function showFigures({ figures }: PageData): void {
  for (const row of byId('figures').querySelectorAll('tr')) {
    const [name, value] = row.children;
    const text = figures[name?.textContent ?? ''];
    if (value && text !== undefined) setText(value, text);
  }
}

function draw(): void {
  if (latest) drawChart(chart, { looks, limit: latest.queue?.backlog, nowMs: performance.now() });
}
