import type { Answer } from '../../http.ts';
import { seen } from '../../tasks.ts';

/** Nothing if the answer has one of the statuses and says {"error": …}; otherwise what it was. */
export function faultsOfError(what: string, answer: Answer, statuses: number[]): string[] {
  const error = (answer.json as { error?: unknown } | null | undefined)?.error;
  return statuses.includes(answer.status) && error !== undefined ? [] : [seen(what, answer)];
}
