// Watches how much each submission writes: the engine itself has no limit for that.
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Docker } from './docker.ts';
import { limits } from './limits.ts';

/** A submission whose containers run, or whose images are being built. */
export interface Watched {
  project: string;
  /** At most one at a time: what is missing on the disk and in no container is its. */
  isBuilding: boolean;
  /** Ends it; not for good if it is not its own fault. */
  stop(reason: string, isOwnFault: boolean): void;
}

interface Usage {
  Containers?: { Labels: string; Size: string }[];
  Volumes?: { Labels: string; Size: string }[];
}

const units: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** The bytes of a size as Docker prints it, such as 1.2GB or "3kB (virtual 5MB)". */
export function bytesIn(size: string): number {
  const [, number, unit = ''] = /^([\d.]+)\s*([kMGT]?B)/.exec(size) ?? [];
  return Number(number ?? 0) * (units[unit] ?? 0);
}

/** What the containers and volumes of each project hold, by its name. */
export function usageOf({ Containers, Volumes }: Usage): Map<string, number> {
  const usage = new Map<string, number>();
  for (const { Labels, Size } of [...(Containers ?? []), ...(Volumes ?? [])]) {
    const project = /(?:^|,)com\.docker\.compose\.project=([^,]*)/.exec(Labels)?.[1] ?? '';
    usage.set(project, (usage.get(project) ?? 0) + bytesIn(Size));
  }
  return usage;
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
  async free(): Promise<number> {
    if (!this.#root) return Infinity;
    const found = await statfs(this.#root).catch(() => undefined);
    return found ? found.bavail * found.bsize : Infinity;
  }

  async #look(): Promise<void> {
    if (this.#watched.size === 0) return;
    const free = await this.free();
    const usage = await this.#usage();
    if (usage === undefined) return;
    for (const one of this.#watched) {
      const used = usage.get(one.project) ?? 0;
      if (used > this.#limit) one.stop(`it wrote more than ${GiB(this.#limit)} of data`, true);
    }
    this.#lookAtBuild(free, usage);
    if (free > limits.freeBytes) return;
    for (const one of this.#watched)
      one.stop(`the engine has only ${GiB(free)} of disk left`, false);
  }

  #lookAtBuild(free: number, usage: Map<string, number>): void {
    const one = [...this.#watched].find(({ isBuilding }) => isBuilding);
    const used = [...usage.values()].reduce((a, b) => a + b, 0);
    if (one === undefined || one !== this.#builder?.one) {
      this.#builder = one && { one, free, used };
      return;
    }
    const written = this.#builder.free - free - (used - this.#builder.used);
    if (written > this.#limit)
      one.stop(`its builds wrote more than ${GiB(this.#limit)} of data`, true);
  }

  async #usage(): Promise<Map<string, number> | undefined> {
    const args = ['system', 'df', '--verbose', '--format', '{{json .}}'];
    const { ok, stdout } = await this.#docker(args);
    return ok ? usageOf(JSON.parse(stdout) as Usage) : undefined;
  }
}

const GiB = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
