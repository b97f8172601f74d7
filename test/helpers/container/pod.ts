// A pod of Kubernetes by crun: what the kubelet makes of a container's description, and the volumes that all share.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { makeTempDir } from '../machine/index.ts';
import { startContainer, type Container } from './container.ts';

export interface Probe {
  exec?: { command: string[] };
  httpGet?: { path: string };
}

export interface PodContainer {
  name: string;
  command: string[];
  args?: string[];
  restartPolicy?: string;
  securityContext: {
    runAsUser: number;
    runAsGroup: number;
    readOnlyRootFilesystem: boolean;
    capabilities: { drop: string[] };
  };
  resources: { limits: { memory: string } };
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  lifecycle?: { preStop: { sleep: { seconds: number } } };
  volumeMounts: { name: string; mountPath: string }[];
}

export interface PodSpec {
  terminationGracePeriodSeconds: number;
  securityContext: { fsGroup: number };
  initContainers: PodContainer[];
  containers: PodContainer[];
  volumes: { name: string; emptyDir?: object; configMap?: { name: string } }[];
}

export class Pod {
  readonly #spec: PodSpec;
  /** Of all containers: the program, for example. */
  readonly #files: Readonly<Record<string, string>>;
  readonly #directories: ReadonlyMap<string, string>;
  #network: number | undefined;

  constructor(
    spec: PodSpec,
    configMaps: ReadonlyMap<string, Record<string, string>>,
    files: Readonly<Record<string, string>>,
  ) {
    this.#spec = spec;
    this.#files = files;
    this.#directories = new Map(
      spec.volumes.map(({ name, configMap }) => [
        name,
        makeVolume(spec, configMap && configMaps.get(configMap.name)),
      ]),
    );
  }

  /** The first one makes the network of all. */
  async start(described: PodContainer): Promise<Container> {
    const { command, args = [], securityContext, volumeMounts, resources } = described;
    const { runAsUser, runAsGroup, readOnlyRootFilesystem, capabilities } = securityContext;
    if (capabilities.drop.join() !== 'ALL') throw new Error(`${described.name} keeps capabilities`);
    const volumes = volumeMounts.map(({ name, mountPath }) => [mountPath, this.#directories.get(name) ?? '']);
    const container = await startContainer({
      args: [...command, ...args],
      user: { uid: runAsUser, gid: runAsGroup, additionalGids: [this.#spec.securityContext.fsGroup] },
      capabilities: [],
      isReadOnly: readOnlyRootFilesystem,
      memoryMiB: Number.parseInt(resources.limits.memory, 10),
      volumes: Object.fromEntries(volumes) as Record<string, string>,
      files: this.#files,
      ...(this.#network === undefined ? {} : { networkOf: this.#network }),
    });
    this.#network ??= container.pid;
    return container;
  }
}

/** An emptyDir is everybody's, and with fsGroup of that group, as is what is made in it. */
function makeVolume({ securityContext }: PodSpec, data: Record<string, string> | undefined): string {
  const path = makeTempDir();
  for (const [name, text] of Object.entries(data ?? {})) fs.writeFileSync(join(path, name), text);
  fs.chownSync(path, 0, securityContext.fsGroup);
  if (data === undefined) fs.chmodSync(path, 0o2777);
  return path;
}
