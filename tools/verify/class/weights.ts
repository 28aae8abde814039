// The points of each check, as an instructor wants them.
import { readFileSync } from 'node:fs';
import { checks } from '../checks/all.ts';
import { WrongUsage } from '../options.ts';

/** Points by the id of a check. */
export type Weights = ReadonlyMap<string, number>;

const byDefault = (): Map<string, number> =>
  new Map(checks.map(({ id, points }) => [id as string, points]));

/** All weights as a file that can be edited. */
export const printedWeights = (): string =>
  `${JSON.stringify(Object.fromEntries(byDefault()), undefined, 2)}\n`;

/**
 * The weights in a file; a check that it does not name has its own points. Throws WrongUsage if
 * the file names a check that there is not, or points that are none.
 */
export function weightsIn(path: string | undefined): Weights {
  const weights = byDefault();
  if (path === undefined) return weights;
  for (const [id, points] of Object.entries(parsed(path))) {
    if (!weights.has(id)) throw new WrongUsage(`--weights: ${id} is no check`);
    const isNumber = typeof points === 'number' && Number.isFinite(points) && points >= 0;
    if (!isNumber) throw new WrongUsage(`--weights: the points of ${id} are no number from 0 up`);
    weights.set(id, points);
  }
  return weights;
}

function parsed(path: string): object {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new WrongUsage(`--weights: ${(error as Error).message}`);
  }
  throw new WrongUsage(`--weights: ${path} is no JSON object such as {"api.create": 5}`);
}
