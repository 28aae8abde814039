// One cause is said once: what a failed check keeps others from looking at is not counted again.
import { type Check, type Group, groupOf } from './check.ts';
import { checks } from './checks/all.ts';
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

interface Verdict {
  check: Check;
  outcome: 'passed' | 'failed' | 'not run' | 'skipped';
  reason: string;
}

/** The result as it is, unless it has no verdict because of a check that has failed. */
export function withCause<T extends Verdict>(result: T, all: T[]): T {
  if (result.outcome !== 'not run') return result;
  const failed = new Set(
    all.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check.id as string),
  );
  const cause = causes[groupOf(result.check)].find((id) => failed.has(id));
  if (cause === undefined) return result;
  return { ...result, outcome: 'skipped', reason: say('shared.blocked-by', { check: cause }) };
}

/** True for the reason of a check that another keeps from looking. */
export const isBlocked = (reason: string): boolean =>
  checks.some(({ id }) => reason.startsWith(say('shared.blocked-by', { check: id })));
