// Keeps each judgement as soon as it is made, so that a run that was interrupted can resume.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WrongUsage } from '../options.ts';
import type { Judgement } from './judgement.ts';

export class Store {
  readonly #directory: string;
  readonly #lock: string;

  /** `report` is the directory of the reports. */
  constructor(report: string) {
    this.#directory = join(report, 'results');
    this.#lock = join(this.#directory, 'running');
    mkdirSync(this.#directory, { recursive: true });
  }

  /** The judgement of an earlier run; undefined if there is none. */
  find(key: string): Judgement | undefined {
    try {
      return JSON.parse(readFileSync(this.#path(key), 'utf8')) as Judgement;
    } catch {
      return undefined;
    }
  }

  keep(key: string, judgement: Judgement): void {
    const part = `${this.#path(key)}.part`;
    writeFileSync(part, `${JSON.stringify(judgement, undefined, 2)}\n`);
    renameSync(part, this.#path(key));
  }

  /**
   * Makes this the only run with these reports, until `release`. Throws WrongUsage if there is
   * another one: each would take down what the other starts.
   */
  acquire(): void {
    const other = processIn(this.#lock);
    if (other !== undefined && isAlive(other))
      throw new WrongUsage(
        `--report: process ${other} is at work there; if not, delete ${this.#lock}`,
      );
    writeFileSync(this.#lock, String(process.pid));
  }

  release(): void {
    rmSync(this.#lock, { force: true });
  }

  #path(key: string): string {
    return join(this.#directory, `${key}.json`);
  }
}

function processIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
}
