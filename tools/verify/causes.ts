// One cause is said once: what a failed check keeps others from looking at is not counted again.
import { type Group, groupOf } from './check.ts';
import type { Result } from './run.ts';
import { say } from './texts.ts';

const model = ['files.compose', 'compose.model'];
const running = [...model, 'health.running'];
const answering = [...running, 'health.answers'];
const tasks = [...answering, 'database.table', 'api.list', 'api.create'];

/** Which checks may be the reason why those of a group cannot look, the first causes first. */
const causes: Record<Group, string[]> = {
  files: model,
  compose: model,
  health: [...answering, 'health.checks'],
  network: [...running, 'network.api-reaches-db'],
  volumes: running,
  config: running,
  api: tasks,
  database: [...tasks, 'network.api-reaches-db'],
  prod: [...model, 'prod.model'],
  operations: [...answering, 'health.healthz'],
};

/** The result as it is, unless it has no verdict and a check that may be the reason has failed. */
export function withCause(result: Result, all: Result[]): Result {
  if (result.outcome !== 'not run') return result;
  const failures = all.filter(({ outcome }) => outcome === 'failed');
  const failed = new Set<string>(failures.map(({ check }) => check.id));
  const cause = causes[groupOf(result.check)].find((id) => failed.has(id));
  if (cause === undefined) return result;
  const reason = say('shared.blocked-by', { check: cause });
  return { ...result, outcome: 'skipped', reason, blockedBy: cause };
}
