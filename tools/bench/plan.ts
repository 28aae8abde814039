// What the benchmark measures, and for how long.

export const variants = ['ceiling', 'taskapp', 'plain', 'fastify', 'fastify-log', 'bun'] as const;
export type Variant = (typeof variants)[number];

/** What wrk asks for. */
export interface Operation {
  name: string;
  path: string;
  /** POST a new task; otherwise GET. */
  isCreate?: boolean;
}

export const operations: Operation[] = [
  { name: 'list', path: '/api/tasks' },
  { name: 'one', path: '/api/tasks/25' },
  { name: 'create', path: '/api/tasks', isCreate: true },
];

/** The rows in the table when a measurement starts. */
export const rows = 50;

export interface Plan {
  connections: number[];
  /** How many rounds to measure with this many connections. */
  roundsWith: (connections: number) => number;
  /** The length of a round. */
  seconds: number;
  /** How long to drive a stack before its first round. */
  warmUpSeconds: number;
}

const quickPlan: Plan = {
  connections: [64],
  roundsWith: () => 2,
  seconds: 2,
  warmUpSeconds: 2,
};

// A shared machine changes its speed: so many short rounds, one variant after another, and medians.
const fullPlan: Plan = {
  connections: [1, 64, 256],
  roundsWith: (connections) => (connections === 64 ? 5 : 3),
  seconds: 3,
  warmUpSeconds: 4,
};

export const planFor = (quick: boolean): Plan => (quick ? quickPlan : fullPlan);

/** How many rows there are when growth is measured. */
export const sizes = [1_000, 1_000_000] as const;

/** When the task with this id was created, in the table that fill() of drive.ts makes. */
const createdAt = (id: number) => new Date(Date.UTC(2025, 0, 1) + id * 1_000).toISOString();

/** What is measured on a table of so many rows. The last one adds rows. */
export function growthOperations(size: number): Operation[] {
  const middle = [createdAt(size / 2).replace('Z', '000+00:00'), size / 2];
  const cursor = Buffer.from(JSON.stringify(middle)).toString('base64url');
  return [
    { name: 'first page', path: '/api/tasks' },
    { name: 'page in the middle', path: `/api/tasks?cursor=${cursor}` },
    { name: 'search with one result', path: '/api/tasks?q=zebra' },
    { name: 'one', path: '/api/tasks/500' },
    { name: 'create', path: '/api/tasks', isCreate: true },
  ];
}

export const growthPlan: Plan = {
  connections: [64],
  roundsWith: () => 5,
  seconds: 3,
  warmUpSeconds: 3,
};
