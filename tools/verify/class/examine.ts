// One submission from folder to judgement: copied, inspected, built, booted, graded, removed.
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from '../texts.ts';
import { type Asked, filesOf } from './asked.ts';
import { boot } from './boot.ts';
import { buildImages } from './build.ts';
import { failureOf, run } from './command.ts';
import { copyFolder } from './copy.ts';
import { type Watched } from './disk.ts';
import { type Docker, dockerIn } from './docker.ts';
import { fenced, type Names, namesOf } from './fenced.ts';
import { missingImages, removeImages } from './images.ts';
import type { Orders } from './judge.ts';
import { type Judgement, plainJudgement, verdictsIn, verdictsWithout } from './judgement.ts';
import { limits } from './limits.ts';
import { modelOf } from './model.ts';
import { Refused } from './refused.ts';
import { removeAll } from './remove.ts';
import { laySecrets, laySettings } from './settings.ts';
import type { Stage } from './stage.ts';
import { fingerprintOf, type Submission } from './submissions.ts';
import { makeWorkTree } from './work-tree.ts';

/** The run was interrupted: there is no judgement. */
export class Interrupted extends Error {}

/**
 * Grades a submission, unless `known` is the judgement of the very same files.
 * Whatever happens, nothing of it is left. Throws Interrupted.
 */
export async function examine(
  submission: Submission,
  project: string,
  stage: Stage,
  known: Judgement | undefined,
): Promise<Judgement> {
  const examination = new Examination(submission, project, stage);
  try {
    return await examination.judge(known);
  } finally {
    await examination.takeDown();
  }
}

class Examination {
  readonly #submission: Submission;
  readonly #names: Names;
  readonly #stage: Stage;
  readonly #stop = new AbortController();
  readonly #watched: Watched;
  readonly #docker: Docker;
  /** The same, also after an interruption. */
  readonly #dockerToTheEnd: Docker;
  readonly #place: string;
  #pulled: string[] = [];
  #isKept = true;

  constructor(submission: Submission, project: string, stage: Stage) {
    this.#submission = submission;
    this.#stage = stage;
    this.#names = namesOf(project);
    this.#place = join(stage.work, submission.key);
    this.#docker = dockerIn(stage.env, this.#signal());
    this.#dockerToTheEnd = dockerIn(stage.env);
    this.#watched = {
      project,
      place: this.#place,
      isBuilding: false,
      stop: (reason, isOwnFault) => {
        if (this.#stop.signal.aborted) return; // the first reason counts
        this.#isKept = isOwnFault;
        this.#stop.abort(new Error(reason));
      },
    };
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#stage.signal, this.#stop.signal]);
  }

  async judge(known: Judgement | undefined): Promise<Judgement> {
    const startedAt = performance.now();
    const judgement: Judgement = {
      folder: this.#submission.folder,
      fingerprint: '',
      refused: [],
      notes: [],
      checks: [],
      ms: 0,
    };
    try {
      judgement.fingerprint = this.#copy();
      if (known?.fingerprint === judgement.fingerprint) return known;
      this.#layCopies(judgement.notes);
      await makeWorkTree(this.#path('judged'), this.#stage.env);
      await this.#run(judgement);
    } catch (error) {
      this.#takeError(error, judgement);
    }
    if (this.#stage.signal.aborted) throw new Interrupted();
    if (!this.#isKept) judgement.fingerprint = '';
    judgement.ms = Math.round(performance.now() - startedAt);
    return plainJudgement(judgement);
  }

  /** Removes all that the submission made. */
  async takeDown(): Promise<void> {
    this.#stage.disk.remove(this.#watched);
    const left = await removeAll(this.#dockerToTheEnd, this.#names.project);
    for (const one of left) process.stderr.write(`verify: ${one} could not be removed\n`);
    await removeImages(this.#pulled, this.#dockerToTheEnd);
    await this.#removeCopies();
  }

  /** What is unforeseen must not end the run of the class: it is tried again in the next one. */
  #takeError(error: unknown, judgement: Judgement): void {
    if (error instanceof Refused) {
      judgement.refused = error.reasons;
      judgement.checks = this.#without(say('class.refused'));
      return;
    }
    this.#isKept = false;
    judgement.checks = this.#without(say('class.not-graded', { error: String(error) }));
  }

  #path(...parts: string[]): string {
    return join(this.#place, ...parts);
  }

  #without(reason: string): Judgement['checks'] {
    return verdictsWithout(reason, this.#stage.destructive);
  }

  /** Returns the fingerprint of the files. */
  #copy(): string {
    rmSync(this.#place, { recursive: true, force: true });
    mkdirSync(this.#place, { recursive: true });
    copyFolder(this.#submission.path, this.#path('judged'));
    const { destructive, buildMs, diskBytes } = this.#stage;
    const how = JSON.stringify([destructive, buildMs, diskBytes, limits]);
    return fingerprintOf(this.#path('judged'), how);
  }

  #layCopies(notes: string[]): void {
    notes.push(...laySettings(this.#path('judged')));
    copyFolder(this.#path('judged'), this.#path('mounted'), true);
  }

  async #run(judgement: Judgement): Promise<void> {
    await removeAll(this.#dockerToTheEnd, this.#names.project); // of an earlier run that was killed
    this.#stage.disk.add(this.#watched);
    const mounted = realpathSync(this.#path('mounted'));
    const model = await modelOf(mounted, this.#names.project, this.#docker).catch(
      noteIn(judgement),
    );
    if (model) await this.#start(model, mounted, judgement.notes);
    judgement.checks = await this.#verdicts(mounted);
  }

  async #start(model: Asked, mounted: string, notes: string[]): Promise<void> {
    laySecrets(filesOf(model), mounted, [this.#path('judged'), mounted]);
    const file = this.#path('fenced.json');
    writeFileSync(file, JSON.stringify(fenced(model, this.#names)));
    notes.push(...(await this.#stage.inTurn(() => this.#build(model))));
    this.#pulled = await missingImages(model, this.#docker);
    for (const name of this.#pulled) this.#stage.pulled.add(name);
    const { project } = this.#names;
    notes.push(...(await boot({ docker: this.#docker, project, mounted, model: file })));
  }

  async #build(model: Asked): Promise<string[]> {
    this.#watched.isBuilding = true;
    const { parent, buildMs } = this.#stage;
    const how = { docker: this.#docker, parent, limitMs: buildMs };
    const faults = await buildImages(model, this.#names, how);
    this.#watched.isBuilding = false;
    return faults;
  }

  async #verdicts(mounted: string): Promise<Judgement['checks']> {
    const { destructive, env } = this.#stage;
    const orders: Orders = {
      directory: this.#path('judged'),
      mounted,
      model: this.#path('fenced.json'),
      name: this.#names.project,
      destructive,
    };
    const judge = join(import.meta.dirname, 'judge.ts');
    const ended = await run(process.execPath, ['--max-old-space-size=768', judge], {
      env,
      input: JSON.stringify(orders),
      signal: this.#signal(),
      limitMs: destructive ? limits.destructiveMs : limits.judgeMs,
    });
    return ended.ok
      ? verdictsIn(ended.stdout)
      : this.#without(say('class.stopped', { error: failureOf(ended, 1) }));
  }

  /** Containers may have written files as another user: then only the engine can remove them. */
  async #removeCopies(): Promise<void> {
    try {
      rmSync(this.#place, { recursive: true, force: true });
    } catch {
      const mount = ['--volume', `${this.#stage.work}:/copies`, '--network', 'none'];
      const remove = ['--entrypoint', 'rm', this.#stage.helper, '-rf'];
      const args = ['run', '--rm', ...mount, ...remove, `/copies/${this.#submission.key}`];
      await this.#dockerToTheEnd(args);
    }
  }
}

/** A handler for a model that Compose cannot read; what is refused goes on. */
const noteIn =
  ({ notes }: Judgement) =>
  (error: unknown): undefined => {
    if (error instanceof Refused) throw error;
    notes.push((error as Error).message);
  };
