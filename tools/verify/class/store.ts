// Keeps each judgement as soon as it is made, so that a run that was interrupted goes on from there.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Judgement } from './judgement.ts';

export class Store {
  readonly #directory: string;

  /** `report` is the directory of the reports. */
  constructor(report: string) {
    this.#directory = join(report, 'results');
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

  #path(key: string): string {
    return join(this.#directory, `${key}.json`);
  }
}
