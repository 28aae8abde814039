// A class from its directory to its reports.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskWatch } from './disk.ts';
import { dockerIn } from './docker.ts';
import { environment } from './environment.ts';
import { examine, Interrupted } from './examine.ts';
import { Fence } from './fence.ts';
import { removeImages } from './images.ts';
import type { Judgement } from './judgement.ts';
import type { ClassOptions } from './options.ts';
import { writeReports } from './reports.ts';
import { type Stage, turns } from './stage.ts';
import { Store } from './store.ts';
import { type Submission, submissionsIn } from './submissions.ts';
import { asTable, remarkOf } from './table.ts';

/** Grades a class. Returns the exit code. Throws NoFence. */
export async function runClass(options: ClassOptions, signal: AbortSignal): Promise<0 | 1> {
  const submissions = submissionsIn(options.directory);
  const store = new Store(options.report);
  store.acquire();
  const judgements = await onStage(options, signal, (stage) =>
    judgeAll(submissions, { stage, store, options }),
  ).finally(() => store.release());
  const inOrder = submissions.flatMap(({ key }): [string, Judgement][] => {
    const judgement = judgements.get(key);
    return judgement ? [[key, judgement]] : [];
  });
  writeReports(options.report, new Map(inOrder), options.weights);
  const list = inOrder.map(([, judgement]) => judgement);
  process.stdout.write(asTable(list, options.weights));
  process.stdout.write(`\n${list.length} of ${submissions.length} graded: ${options.report}\n`);
  return list.length === submissions.length ? 0 : 1;
}

/** Sets up what all submissions share, and takes it down again. */
async function onStage<T>(
  { report, destructive, helper, buildMs, diskBytes }: ClassOptions,
  signal: AbortSignal,
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-class-'));
  const env = environment(process.env, directory);
  const docker = dockerIn(env);
  const fence = new Fence(docker, helper, nameOf(report));
  const disk = new DiskWatch(docker, diskBytes);
  const end = new AbortController();
  const pulled = new Set<string>();
  try {
    await fence.raise();
    const watching = disk.run(end.signal);
    const { parent } = fence;
    const shared = { env, signal, work: directory, parent, helper, disk, inTurn: turns(), pulled };
    const result = await work({ ...shared, destructive, buildMs, diskBytes });
    end.abort();
    await watching;
    return result;
  } finally {
    end.abort();
    await removeImages(pulled, docker);
    rmSync(directory, { recursive: true, force: true });
    await fence.remove();
  }
}

/** The same for each run with the same reports: what an earlier one left is found by it. */
function nameOf(report: string): string {
  return `verify-${createHash('sha256').update(report).digest('hex').slice(0, 8)}`;
}

interface Class {
  stage: Stage;
  store: Store;
  options: ClassOptions;
}

/** The judgements by key: not all of them after an interruption. */
async function judgeAll(list: Submission[], what: Class): Promise<Map<string, Judgement>> {
  const judgements = new Map<string, Judgement>();
  const waiting = list.entries();
  const worker = async () => {
    for (const [n, submission] of waiting) {
      if (what.stage.signal.aborted) return;
      const judgement = await judgeOne(submission, what);
      if (judgement === undefined) return;
      judgements.set(submission.key, judgement);
      const line = `${judgement.folder}: ${remarkOf(judgement)}`;
      process.stderr.write(`[${n + 1}/${list.length}] ${line}\n`);
    }
  };
  await Promise.all(Array.from({ length: what.options.jobs }, worker));
  return judgements;
}

async function judgeOne(
  submission: Submission,
  { stage, store, options }: Class,
): Promise<Judgement | undefined> {
  const { key } = submission;
  const project = `${nameOf(options.report)}-${key}`;
  try {
    const judgement = await examine(submission, project, stage, store.find(key));
    store.keep(key, judgement);
    return judgement;
  } catch (error) {
    if (error instanceof Interrupted) return undefined;
    throw error;
  }
}
