// What the benchmark measures, and for how long.

export const variants = ['ceiling', 'shared', 'plain', 'fastify'] as const;
export const operations = ['list', 'one', 'create'] as const;
export const tiers = ['web', 'api', 'db'] as const;

export type Variant = (typeof variants)[number];
export type Operation = (typeof operations)[number];
export type Tier = (typeof tiers)[number];

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
  roundsWith: (connections) => (connections === 64 ? 5 : 2),
  seconds: 3,
  warmUpSeconds: 4,
};

export const planFor = (quick: boolean): Plan => (quick ? quickPlan : fullPlan);

/** The name of a variant in the report. */
export const nameOf = (variant: Variant): string => (variant === 'shared' ? 'taskapp' : variant);
