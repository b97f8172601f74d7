// Which kills a run of the tests makes: all of them take an hour. Without SPAWN_FCGI_KILL_STEPS=all each kind of step of
// each operation has its supervisor killed there once, in one of the settings, and of the others who may die a few; a
// seed turns round in which setting, and who.
import type { Operation, Victim } from './killed-operations.ts';
import type { Setting } from './killed-settings.ts';
import type { Step } from './step-tracer.ts';
import { turn } from './turn.ts';

export interface Kill {
  readonly step: Step;
  readonly victim: Victim;
}

export const isFull = process.env['SPAWN_FCGI_KILL_STEPS'] === 'all';
const seed = Number(process.env['SPAWN_FCGI_KILL_SEED'] ?? Date.now() % 10_000);
if (!isFull) console.log(`SPAWN_FCGI_KILL_SEED=${seed} repeats this choice of kills`);

/** An operation is looked at in so many of the settings, a start in all. */
const settingsEach = 2;
/** Of the victims other than the supervisor, in each setting. */
const victimsEach = 2;

/** What was chosen in other settings. */
const seen = new Set<string>();

/** Whether the operation with this number is looked at in this setting. */
export function isChosen(operation: number, setting: Setting, settings: readonly Setting[]): boolean {
  if (isFull) return true;
  // Neighbours have settings that differ, so that each setting has its turn in every run.
  const first = seed + operation * settingsEach;
  return (
    (settings.indexOf(setting) - (first % settings.length) + settings.length) % settings.length < settingsEach
  );
}

/** `among`: in how many settings the operation is looked at. */
export function chooseKills(
  { name, victims }: Operation,
  steps: readonly Step[],
  among = settingsEach,
): Kill[] {
  if (isFull) return steps.flatMap((step) => victims.map((victim) => ({ step, victim })));
  const kinds = steps.filter(({ nth }) => nth === 1);
  return victims.flatMap((victim, number) => {
    const keyOf = (step: Step): string => `${name} ${victim} ${step.name}`;
    const turned = turn(kinds, seed + number);
    const unseen = turned.filter((step) => !seen.has(keyOf(step)));
    const share = Math.ceil(kinds.length / among);
    const count = victim === 'supervisor' || victim === 'old supervisor' ? share : victimsEach;
    const chosen = unseen.slice(0, count);
    for (const step of chosen) seen.add(keyOf(step));
    return chosen.map((step) => ({ step, victim }));
  });
}
