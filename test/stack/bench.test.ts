// What the benchmark makes of its rounds. Needs no engine.
import { expect, it } from 'vitest';
import { figure, ratio, type Result, type Round } from '../../tools/bench/figures.ts';
import { growthPlan, operations, planFor, sizes, variants } from '../../tools/bench/plan.ts';
import { growthPage, page } from '../../tools/bench/report.ts';

const round = (rate: number): Round => ({
  rate,
  p50: 1,
  p99: 2,
  web: 30,
  api: 90,
  db: 6,
  engine: NaN,
  memory: 100,
  errors: 0,
});
const rounds = (...rates: number[]) => rates.map(round);

it('marks a figure whose rounds are far apart, and shows none that is unknown', () => {
  expect(figure([1_000, 1_050, 1_100])).toBe('1,050');
  expect(figure([1_000, 1_050, 1_300])).toBe('1,050 ~');
  expect(figure([0.5, 0.51], 2)).toBe('0.50');
  expect(figure([0.1, 0.4])).toBe('0');
  expect(figure([NaN, NaN])).toBe('–');
});

it('compares rounds side by side, so that a machine that slows down changes no ratio', () => {
  const [fast, slow] = [rounds(200, 100, 50), rounds(100, 50, 25)];
  expect(ratio(fast, slow)).toBe('2.00');
  expect(ratio(slow, fast)).toBe('0.50');
  expect(ratio(rounds(110, 100), rounds(100, 110))).toBe('≈ 0.91');
  expect(ratio(fast, fast)).toBe('1.00');
  expect(ratio(fast, undefined)).toBe('–');
});

it('writes a row for each variant and operation, and lines that fit', () => {
  const plan = planFor(false);
  const results: Result[] = plan.connections.flatMap((connections) =>
    operations.flatMap(({ name }) =>
      variants.map((subject) => ({ subject, operation: name, connections, rounds: rounds(1, 1) })),
    ),
  );
  const small = { subject: String(sizes[0]), operation: 'one', connections: 64 };
  const growth = growthPage([{ ...small, rounds: rounds(1) }], growthPlan);
  const text = page(results, plan);
  const tableRows = text.split('\n').filter((line) => line.startsWith('| '));
  expect(tableRows).toHaveLength(2 + 3 * operations.length * variants.length);
  expect(new Set(tableRows.map((line) => line.split('|').length)).size).toBe(1);
  const lines = `${text}${growth}`.split('\n').filter((line) => !line.startsWith('|'));
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
});
