// An ordinary user of a systemd machine with a systemd of his own, as logging in gives him.
import type { SystemdMachine } from './machine.ts';

const name = 'alice';
const uid = 1234;
const runtime = `/run/user/${uid}`;

const unit = `[Service]
Type=notify
User=${name}
Delegate=yes
Environment=XDG_RUNTIME_DIR=${runtime} SYSTEMD_UNIT_PATH=/home/${name}/.config/systemd/user:/usr/lib/systemd/user
ExecStart=/lib/systemd/systemd --user
`;

export async function startUserSystemd(host: SystemdMachine): Promise<void> {
  host.write('/etc/systemd/system/user-manager.service', unit);
  await host.ok(`useradd --create-home --uid ${uid} ${name}
    install -d -o ${name} -g ${name} -m 700 ${runtime}
    systemctl daemon-reload && systemctl start user-manager`);
}

/** The script, for `run`, to be typed in by him. */
export function typedByUser(script: string): string {
  const environment = `HOME=/home/${name} XDG_RUNTIME_DIR=${runtime}`;
  return `cd /home/${name} && env ${environment} setpriv --reuid ${name} --regid ${name} --init-groups bash -s <<'END_OF_SCRIPT'
${script}
END_OF_SCRIPT`;
}
