// What the benchmark makes of its rounds. Needs no engine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { figure, ratio, type Result, type Round } from '../../tools/bench/figures.ts';
import { growthPlan, operations, planFor, sizes, variants } from '../../tools/bench/plan.ts';
import { growthPage, page } from '../../tools/bench/report.ts';
import {
  assumptionsFrom,
  measuredCosts,
  needsOf,
  scalingTables,
  usual,
  withTables,
} from '../../tools/bench/scaling.ts';
import { root } from '../lib/copy.ts';

const round = (rate: number): Round => ({
  rate,
  p50: 1,
  p99: 2,
  web: 30,
  api: 90,
  db: 6,
  engine: NaN,
  wal: 900,
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
  const growth = growthPage([{ ...small, rounds: rounds(1) }], growthPlan, 326);
  const text = page(results, plan);
  const tableRows = text.split('\n').filter((line) => line.startsWith('| '));
  expect(tableRows).toHaveLength(2 + 3 * operations.length * variants.length);
  expect(new Set(tableRows.map((line) => line.split('|').length)).size).toBe(1);
  const lines = `${text}${growth}`.split('\n').filter((line) => !line.startsWith('|'));
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  expect(growth).toContain('takes 326 bytes with its indexes');
  expect(growth).toMatch(/ WAL bytes \|\n.*\n.* 900 \|\n/);
});

describe('the arithmetic of scaling', () => {
  const costs = {
    alone: {
      list: { web: 100, api: 1_000, db: 200 },
      one: { web: 100, api: 500, db: 100 },
      create: { web: 100, api: 2_000, db: 400 },
    },
    together: {
      list: { web: 10, api: 20, db: 5 },
      one: { web: 10, api: 20, db: 5 },
      create: { web: 10, api: 20, db: 5 },
    },
    wal: { list: 10, one: 0, create: 900 },
    kept: { list: 0, one: 0, create: 300 },
  };
  const assumptions = { requests: 10, writes: 0.5, lists: 0.4, peak: 6, busy: 0.5 };

  it('adds up what the busiest minute takes', () => {
    const needs = needsOf(86_400, assumptions, costs); // per second 30 create, 12 list, 18 get one
    expect(needs.requests).toBeCloseTo(60);
    expect(needs.most.web).toBeCloseTo(60 * 100e-6, 6);
    expect(needs.most.api).toBeCloseTo((30 * 2_000 + 12 * 1_000 + 18 * 500) / 1e6, 6);
    expect(needs.most.db).toBeCloseTo((30 * 400 + 12 * 200 + 18 * 100) / 1e6, 6);
    expect(needs.least.api).toBeCloseTo(60 * 20e-6, 6);
    expect(needs.tasks).toBeCloseTo(86_400 * 5 * 30);
    expect(needs.months).toBeCloseTo(2_147_483_647 / (86_400 * 5 * 30), 6);
    expect(needs.disk).toBeCloseTo(86_400 * 5 * 30 * 300);
    expect(needs.wal).toBeCloseTo(86_400 * (5 * 900 + 2 * 10)); // a day's; 2 of 10 requests list
  });

  it('never asks for less than production ships, and for more when that is too busy', () => {
    const MiB = 1024 * 1024;
    const few = needsOf(86_400, assumptions, costs);
    expect(few.run).toEqual({ web: 1, api: 2, db: 1 });
    // 512 MiB, twice 256 MiB, 1 GiB; and 18 connections of each replica, twice during a release
    expect(few).toMatchObject({ cores: 4, memory: 2_048 * MiB, connections: 72 });

    const many = needsOf(86_400 * 100, assumptions, costs); // in use: 0.6, 8.1 and 1.62 cores
    expect(many.run).toEqual({ web: 2, api: 17, db: 4 });
    const memory = (2 * 512 + 17 * 256 + 1_024) * MiB;
    expect(many).toMatchObject({ cores: 23, memory, connections: 612 });
  });

  it('takes other assumptions, and refuses those that make no sense', () => {
    expect(assumptionsFrom(['--peak=8', '--writes=0'])).toEqual({ ...usual, peak: 8, writes: 0 });
    expect(() => assumptionsFrom(['--users=5'])).toThrow("Unknown option '--users'");
    for (const wrong of ['--peak=0', '--peak=', '--peak=x', '--requests=-1', '--writes=']) {
      expect(() => assumptionsFrom([wrong])).toThrow(`${wrong} is not a number`);
    }
  });

  it('is what docs/scaling.md shows, from what the benchmark last wrote', () => {
    const measured = measuredCosts();
    const { alone, together, wal, kept } = measured;
    const figures = [alone, together].flatMap((each) =>
      Object.values(each).flatMap((micros) => Object.values(micros)),
    );
    expect(figures).toHaveLength(18);
    for (const one of [...figures, wal.create, kept.create]) expect(one).toBeGreaterThan(0);
    for (const one of [wal.list, wal.one]) expect(one).toBeGreaterThanOrEqual(0);
    const text = readFileSync(join(root, 'docs/scaling.md'), 'utf8');
    expect(withTables(text, scalingTables(measured, usual))).toBe(text);
    expect(withTables(text, scalingTables(costs, usual))).toContain(
      '| create | 10–100 | 20–2000 | 5–400 | 900 | 300 |',
    );
  });
});
