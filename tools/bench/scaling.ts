// What production needs for so many users a day: arithmetic with the CPU time, the WAL and the size
// of a task that the benchmark has written into docs/.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { connections } from '../../api/src/pool.ts';
import { markdown } from './report.ts';
import { root, type Tier, tiers } from './stacks.ts';

/** What `npm run bench -- --scaling --NAME=VALUE` can change. */
export const usual = {
  /** Requests per user and day. */
  requests: 50,
  /** The share of them that create a task; the others read. */
  writes: 0.2,
  /** The share of the reads that ask for a list; the others ask for one task. */
  lists: 0.6,
  /** The busiest minute, compared with the mean of the day. */
  peak: 5,
  /** The share of a core that is in use then. */
  busy: 0.6,
};
export type Assumptions = typeof usual;

/** Throws if an argument has another name, or a value that makes no sense. */
export function assumptionsFrom(args: string[]): Assumptions {
  const names = Object.keys(usual);
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const given = Object.entries(parseArgs({ args, options }).values).map(([name, text]) => {
    const value = Number(text);
    const mayBeZero = name === 'writes' || name === 'lists';
    if (text !== '' && (value > 0 || (value === 0 && mayBeZero))) return [name, value];
    throw new Error(`--${name}=${text} is not a number${mayBeZero ? '' : ' above 0'}`);
  });
  return { ...usual, ...Object.fromEntries(given) };
}

export const kinds = ['list', 'one', 'create'] as const;
export type Kind = (typeof kinds)[number];
/** Microseconds of CPU time. */
export type Micros = Record<Tier, number>;

export interface Costs {
  /** Of a request that shares nothing, and of one of 64 in flight, which share statements. */
  alone: Record<Kind, Micros>;
  together: Record<Kind, Micros>;
  /** Bytes of WAL of one of 64 in flight. */
  wal: Record<Kind, number>;
  /** The bytes that stay: those of a new task with its indexes. */
  kept: Record<Kind, number>;
}

const textOf = (document: string) => readFileSync(join(root, 'docs', document), 'utf8');

/** The rows of a document's only table, each with its cells by the name of their column. */
function rowsOf(document: string): Record<string, string>[] {
  const [header = [], , ...rows] = textOf(document)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.map((cells) => Object.fromEntries(header.map((name, n) => [name, cells[n] ?? ''])));
}

/** A figure may have a mark for noise, and commas. */
const numberIn = (text = '') => parseFloat(text.replaceAll(',', ''));

const microsOf = (row: Record<string, string> = {}) =>
  Object.fromEntries(tiers.map((tier) => [tier, numberIn(row[`${tier} µs`])])) as Micros;

const ofEach = <Value>(value: (kind: Kind) => Value) =>
  Object.fromEntries(kinds.map((kind) => [kind, value(kind)])) as Record<Kind, Value>;

/** As measured with one connection, and with 64 and a million rows. */
export function measuredCosts(): Costs {
  const byVariant = rowsOf('performance.md');
  const bySize = rowsOf('growth.md');
  const alone = (kind: Kind) =>
    byVariant.find(
      ({ request, variant, connections: count }) =>
        request === kind && variant === '**taskapp**' && count === '1',
    );
  const together = (kind: Kind) => {
    const name = kind === 'list' ? 'first page' : kind;
    return bySize.find(({ request, rows }) => request === name && rows === '1,000,000');
  };
  const [, bytes] = /takes (\d+) bytes with its indexes/.exec(textOf('growth.md')) ?? [];
  return {
    alone: ofEach((kind) => microsOf(alone(kind))),
    together: ofEach((kind) => microsOf(together(kind))),
    wal: ofEach((kind) => numberIn(together(kind)?.['WAL bytes'])),
    kept: ofEach((kind) => (kind === 'create' ? numberIn(bytes) : 0)),
  };
}

const day = 86_400; // seconds
const maxId = 2_147_483_647; // tasks.id is an INTEGER
const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const connectionsPerReplica = Object.values(connections).reduce((sum, one) => sum + one);

/** The replicas of the API, and the bytes of memory that a container may have. */
function shipped(): { replicas: number; memory: Record<Tier, number> } {
  const { services } = parse(readFileSync(join(root, 'compose.prod.yml'), 'utf8'), {
    logLevel: 'silent', // about `!reset` and `!override`
  }) as {
    services: Record<
      Tier,
      { deploy: { replicas?: number; resources: { limits: { memory: string } } } }
    >;
  };
  const memory = tiers.map((tier) => {
    const limit = services[tier].deploy.resources.limits.memory;
    return [tier, parseInt(limit, 10) * (limit.endsWith('G') ? GiB : MiB)];
  });
  return {
    replicas: services.api.deploy.replicas ?? 1,
    memory: Object.fromEntries(memory) as Record<Tier, number>,
  };
}

export interface Needs {
  /** Requests per second at the peak. */
  requests: number;
  /** Cores in use then, if all requests share statements, and if none does. */
  least: Micros;
  most: Micros;
  /** What to run: containers of web and api that may use a core each, and cores of the database. */
  run: Record<Tier, number>;
  /** To the database, while a release runs twice as many replicas. */
  connections: number;
  /** Of all of them: cores, and bytes that they may use with the limits of production. */
  cores: number;
  memory: number;
  /** Tasks created in 30 days, and for how many months there are ids. */
  tasks: number;
  months: number;
  /** Bytes: of these tasks with their indexes, and of a day's WAL. */
  disk: number;
  wal: number;
}

export function needsOf(users: number, assumptions: Assumptions, costs: Costs): Needs {
  const { requests, writes, lists, peak, busy } = assumptions;
  const perSecond = (users * requests * peak) / day;
  const shares = { list: (1 - writes) * lists, one: (1 - writes) * (1 - lists), create: writes };
  const meanOf = (value: (kind: Kind) => number) =>
    kinds.reduce((sum, kind) => sum + shares[kind] * value(kind), 0);
  const coresOf = (from: Record<Kind, Micros>) =>
    Object.fromEntries(
      tiers.map((tier) => [tier, (perSecond * meanOf((kind) => from[kind][tier])) / 1_000_000]),
    ) as Micros;
  const most = coresOf(costs.alone);
  const { replicas, memory } = shipped();
  const run = {
    web: Math.ceil(most.web / busy),
    api: Math.max(replicas, Math.ceil(most.api / busy)),
    db: Math.ceil(most.db / busy),
  };
  const tasks = users * requests * writes * 30;
  return {
    requests: perSecond,
    least: coresOf(costs.together),
    most,
    run,
    connections: 2 * run.api * connectionsPerReplica,
    cores: run.web + run.api + run.db,
    memory: run.web * memory.web + run.api * memory.api + memory.db,
    tasks,
    months: maxId / tasks,
    disk: users * requests * 30 * meanOf((kind) => costs.kept[kind]),
    wal: users * requests * meanOf((kind) => costs.wal[kind]),
  };
}

/** Two significant digits: the assumptions are no better. */
const about = (value: number) => Number(value.toPrecision(2)).toLocaleString('en');

/** The tables of docs/scaling.md. */
export function scalingTables(costs: Costs, assumptions: Assumptions): string[] {
  const costLines = kinds.map((kind) => [
    kind,
    ...tiers.map((tier) => `${costs.together[kind][tier]}–${costs.alone[kind][tier]}`),
    costs.wal[kind],
    costs.kept[kind],
  ]);
  const needLines = [10_000, 100_000, 1_000_000].map((users) => {
    const { least, most, run, ...needs } = needsOf(users, assumptions, costs);
    const cores = tiers.map((tier) => `${about(least[tier])}–${about(most[tier])}`);
    const parts = tiers.map((tier) => run[tier]).join(' × ');
    const sums = [needs.cores, (needs.memory / GiB).toFixed(1), needs.connections];
    const rates = [about(needs.requests), ...cores];
    const later = [about(needs.tasks / 1e6), about(needs.months)];
    const disk = [about(needs.disk / 1e9), about(needs.wal / 1e9)];
    return [users.toLocaleString('en'), ...rates, parts, ...sums, ...later, ...disk];
  });
  const inUse = tiers.map((tier) => `${tier}: cores in use`);
  const toRun = ['web × api × db', 'cores', 'GiB', 'connections'];
  const growth = ['million tasks a month', 'months of ids'];
  const disk = ['GB of tasks a month', 'GB of WAL a day'];
  const cost = [...tiers.map((tier) => `${tier} µs`), 'WAL bytes', 'bytes kept'];
  return [
    markdown(['request', ...cost], 1, costLines),
    markdown(['users a day', 'requests/s', ...inUse, ...toRun, ...growth, ...disk], 1, needLines),
  ];
}

/** The text with these tables in place of those that have the same header. Throws without those. */
export function withTables(text: string, tables: string[]): string {
  return tables.reduce((before, table) => {
    const [header = ''] = table.split('\n');
    const lines = before.split('\n');
    const start = lines.indexOf(header);
    if (start === -1) throw new Error(`no table has the header ${header}`);
    let end = start;
    while (lines[end]?.startsWith('|')) end++;
    return [...lines.slice(0, start), table, ...lines.slice(end)].join('\n');
  }, text);
}
