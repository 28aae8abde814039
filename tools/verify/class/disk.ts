// Watches how much each submission writes: the engine itself has no limit for that.
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './command.ts';
import { type Docker, linesOf } from './docker.ts';
import { label } from './fenced.ts';
import { limits } from './limits.ts';

/** A submission whose containers run, or whose images are being built. */
export interface Watched {
  project: string;
  /** The directory that its copies are in. */
  place: string;
  /** At most one at a time: what is missing on the disk and in no container is its. */
  isBuilding: boolean;
  /** Ends it; not for good if it is not its own fault. */
  stop(reason: string, isOwnFault: boolean): void;
}

/** What `docker system df` prints: its labels are no proof, as a value may hold another label. */
interface Usage {
  Containers?: { ID: string; Size: string }[];
  Volumes?: { Name: string; Size: string }[];
}

/** The ids of containers and the names of volumes. */
export interface Belongings {
  containers: string[];
  volumes: string[];
}

const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** The bytes of a size as Docker prints it, such as 1.2GB or "3kB (virtual 5MB)". */
export function bytesIn(size: string): number {
  const [, number, unit = ''] = /^([\d.]+)\s*([kMGT]?B)/.exec(size) ?? [];
  return Number(number ?? 0) * (units[unit] ?? 0);
}

/** The bytes that containers and volumes hold: those of one submission, or all. */
export function bytesOf({ Containers, Volumes }: Usage, only?: Belongings): number {
  const isOf = (id: string) => only?.containers.some((own) => id.startsWith(own)) ?? true;
  const sizes = [
    ...(Containers ?? []).filter(({ ID }) => isOf(ID)),
    ...(Volumes ?? []).filter(({ Name }) => only?.volumes.includes(Name) ?? true),
  ];
  return sizes.reduce((sum, { Size }) => sum + bytesIn(Size), 0);
}

export class DiskWatch {
  readonly #docker: Docker;
  readonly #limit: number;
  readonly #watched = new Set<Watched>();
  #root: string | undefined;
  #builder: { one: Watched; free: number; used: number } | undefined;

  /** `limit` is what each submission may write, in bytes. */
  constructor(docker: Docker, limit: number) {
    this.#docker = docker;
    this.#limit = limit;
  }

  add(one: Watched): void {
    this.#watched.add(one);
  }

  remove(one: Watched): void {
    this.#watched.delete(one);
  }

  /** Looks again and again until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    this.#root = (await this.#docker(['info', '--format', '{{.DockerRootDir}}'])).stdout.trim();
    while (!signal.aborted) {
      await this.#look();
      await sleep(2_000, undefined, { signal }).catch(() => undefined);
    }
  }

  /** The bytes that are free where the engine stores its data; infinite on another machine. */
  async #free(): Promise<number> {
    if (!this.#root) return Infinity;
    const found = await statfs(this.#root).catch(() => undefined);
    return found ? found.bavail * found.bsize : Infinity;
  }

  async #look(): Promise<void> {
    if (this.#watched.size === 0) return;
    const free = await this.#free();
    const usage = await this.#usage();
    if (usage !== undefined) await this.#lookAtUsage(usage, free);
    if (free > limits.freeBytes) return;
    for (const one of this.#watched)
      one.stop(`the engine has only ${GiB(free)} of disk left`, false);
  }

  async #lookAtUsage(usage: Usage, free: number): Promise<void> {
    for (const one of this.#watched) {
      const used = bytesOf(usage, await this.#belongings(one)) + (await this.#bytesBelow(one));
      if (used > this.#limit) one.stop(`it wrote more than ${GiB(this.#limit)} of data`, true);
    }
    this.#lookAtBuild(free, bytesOf(usage));
  }

  #lookAtBuild(free: number, used: number): void {
    const one = [...this.#watched].find(({ isBuilding }) => isBuilding);
    if (one === undefined || one !== this.#builder?.one) {
      this.#builder = one && { one, free, used };
      return;
    }
    const written = this.#builder.free - free - (used - this.#builder.used);
    if (written > this.#limit)
      one.stop(`its builds wrote more than ${GiB(this.#limit)} of data`, true);
  }

  async #usage(): Promise<Usage | undefined> {
    const args = ['system', 'df', '--verbose', '--format', '{{json .}}'];
    const { ok, stdout } = await this.#docker(args);
    return ok ? (JSON.parse(stdout) as Usage) : undefined;
  }

  /** Volumes that have no name are known by the containers that use them. */
  async #belongings({ project }: Watched): Promise<Belongings> {
    const filter = ['--quiet', '--filter', `label=${label}=${project}`];
    const containers = linesOf(await this.#docker(['ps', '--all', ...filter]));
    const volumes = linesOf(await this.#docker(['volume', 'ls', ...filter]));
    if (containers.length === 0) return { containers, volumes };
    const format = ['--format', '{{range .Mounts}}{{println .Name}}{{end}}'];
    const mounted = linesOf(await this.#docker(['inspect', ...format, ...containers]));
    return { containers, volumes: [...volumes, ...mounted] };
  }

  /** What containers wrote to the copy of the folder; infinite if it cannot even be counted. */
  async #bytesBelow({ place }: Watched): Promise<number> {
    const { stdout, ended } = await run('du', ['-sk', place], { limitMs: 20_000 });
    return ended === '' ? Number.parseInt(stdout || '0', 10) * 1024 : Infinity;
  }
}

const GiB = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
