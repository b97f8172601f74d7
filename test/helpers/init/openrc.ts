// OpenRC on a machine of its own: the real openrc-run, on a system that it takes for one that it has booted.
import type { InitMachine } from './machine.ts';

const directories =
  'daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive';

/** What `openrc sysinit` makes. */
export async function bootOpenrc(machine: InitMachine): Promise<void> {
  const { status, stderr } = await machine.run(
    `cd /run; mkdir openrc; cd openrc; mkdir ${directories}; touch softlevel`,
  );
  if (status !== 0) throw new Error(`no OpenRC: ${stderr}`);
}
