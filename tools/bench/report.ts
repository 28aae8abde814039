// The results as tables, a chart and documents.
import { cpus } from 'node:os';
import { figure, limitOfSpread, median, ratio, type Result } from './figures.ts';
import {
  growthOperations,
  operations,
  type Plan,
  rows,
  sizes,
  type Variant,
  variants,
} from './plan.ts';

const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;

/** A Markdown table; the columns after the first `names` have figures. */
export function markdown(header: string[], names: number, lines: (string | number)[][]): string {
  const alignment = header.map((_, n) => (n < names ? '---' : '---:'));
  return [header, alignment, ...lines].map(line).join('\n');
}

const measuredHeader = [
  'p50 ms',
  'p99 ms',
  'web µs',
  'api µs',
  'db µs',
  'engine µs',
  'API MiB',
  'errors',
];

/** The cells below `measuredHeader`. */
function measuredCells({ rounds }: Result): (string | number)[] {
  const cell = (name: keyof (typeof rounds)[number], digits = 0) =>
    figure(
      rounds.map((round) => round[name]),
      digits,
    );
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  const cpu = [cell('web'), cell('api'), cell('db'), cell('engine', 1)];
  return [cell('p50', 2), cell('p99', 2), ...cpu, cell('memory'), errors];
}

const rateOf = ({ rounds }: Result) => figure(rounds.map(({ rate }) => rate));
const walOf = ({ rounds }: Result) => figure(rounds.map(({ wal }) => wal));

/** The results of all variants as a table. */
export function table(results: Result[]): string {
  const order = ({ operation }: Result) => operations.findIndex(({ name }) => name === operation);
  const sorted = results.toSorted((a, b) => a.connections - b.connections || order(a) - order(b));
  const header = ['request', 'variant', 'connections', 'requests/s', 'of ceiling', 'times Fastify'];
  const lines = sorted.map((result) => {
    const { subject, operation, connections, rounds } = result;
    const measuredAlike = results.filter(
      (other) => other.operation === operation && other.connections === connections,
    );
    const to = (variant: Variant) =>
      ratio(rounds, measuredAlike.find((other) => other.subject === variant)?.rounds);
    const name = subject === 'taskapp' ? '**taskapp**' : subject;
    const ratios = [to('ceiling'), to('fastify')];
    return [operation, name, connections, rateOf(result), ...ratios, ...measuredCells(result)];
  });
  return markdown([...header, ...measuredHeader], 2, lines);
}

/** The results of the small and of the large table as a table. */
export function growthTable(results: Result[]): string {
  const header = ['request', 'rows', 'requests/s', 'of the small table'];
  const lines = growthOperations(sizes[0]).flatMap(({ name }) => {
    const pair = results.filter(({ operation }) => operation === name);
    return pair.map((result) => {
      const rowsOf = Number(result.subject).toLocaleString('en');
      const toSmall = ratio(result.rounds, pair[0]?.rounds);
      const cells = [...measuredCells(result), walOf(result)];
      return [name, rowsOf, rateOf(result), toSmall, ...cells];
    });
  });
  return markdown([...header, ...measuredHeader, 'WAL bytes'], 1, lines);
}

const colours: Record<Variant, string> = {
  ceiling: '#bbbbbb',
  taskapp: '#1f77b4',
  plain: '#aec7e8',
  fastify: '#ff9f5a',
  'fastify-log': '#ffc999',
  bun: '#c49c94',
};

/** The requests per second with 64 connections, as bars in an SVG. */
export function chart(results: Result[]): string {
  const shown = results
    .filter(({ connections }) => connections === 64)
    .map((result) => ({ ...result, rate: median(result.rounds.map(({ rate }) => rate)) }));
  const most = Math.max(...shown.map(({ rate }) => rate));
  const bars: string[] = [];
  const groupHeight = variants.length * 22 + 22;
  for (const [group, { name }] of operations.entries()) {
    for (const [n, variant] of variants.entries()) {
      const found = shown.find((one) => one.operation === name && one.subject === variant);
      const rate = found?.rate ?? 0;
      const y = 30 + group * groupHeight + n * 22;
      const width = Math.round((rate / most) * 400);
      const value = Math.round(rate).toLocaleString('en');
      bars.push(bar(y, width, colours[variant], `${name}, ${variant}`, value));
    }
  }
  const size = `width="640" height="${30 + operations.length * groupHeight}"`;
  const font = 'font-family="sans-serif" font-size="12"';
  const title = 'Requests per second at 64 connections';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>`,
    `<rect ${size} fill="white"/>`,
    `<text x="10" y="18" font-weight="bold">${title}</text>`,
    ...bars,
    '</svg>\n',
  ].join('');
}

function bar(y: number, width: number, colour: string, name: string, value: string): string {
  return [
    `<rect x="150" y="${y}" width="${width}" height="18" fill="${colour}"/>`,
    `<text x="145" y="${y + 13}" text-anchor="end">${name}</text>`,
    `<text x="${155 + width}" y="${y + 13}">${value}</text>`,
  ].join('');
}

function machine(): string {
  const [first] = cpus();
  return `${cpus().length} cores (${first?.model.trim()}), wrk on the same machine`;
}

/** The machine, and how it was measured: two lines. */
export function conditions(plan: Plan): string[] {
  const [rounds, others] = [plan.roundsWith(64), plan.roundsWith(1)];
  return [
    `${machine()}, ${rows} rows`,
    `${rounds} rounds of ${plan.seconds} s (${others} rounds with 1 or 256 connections)`,
  ];
}

export const growthConditions = (plan: Plan): string[] => [
  machine(),
  `64 connections, ${plan.roundsWith(64)} rounds of ${plan.seconds} s`,
];

const columns = `\
Each figure is the median over the rounds. The columns with µs are CPU time per request: of nginx,
of the two replicas, of PostgreSQL, and of the engine (\`dockerd\`, \`containerd\` and its shims),
which copies what the containers log.

A ratio is the median over paired rounds, so it can differ from the ratio of the two medians.

What is noise:

- \`~\` after a figure: its fastest and slowest rounds differ by more than
  ${limitOfSpread * 100} % of the figure.
- \`≈\` before a ratio: the rounds disagree about which of the two is faster.
`;

/** The text of docs/performance.md. */
export const page = (results: Result[], plan: Plan): string => `# Performance

Written by \`npm run bench\`. All figures come from one run:
${conditions(plan).join(',\n')}.
Look at the ratios: the figures themselves depend on the machine. [Growth](growth.md) has the
figures for a table of ${sizes[1].toLocaleString('en')} rows.

![Requests per second](performance.svg)

Each variant runs in the stack that \`compose.prod.yml\` ships, with TLS, the token, two replicas and
nginx's log, but without the limit on requests:

- **ceiling**: Express without our middleware, a log or a database, which sends constant bytes of
  the same size: the most that nginx and Express allow
- **taskapp**: this API as it is shipped; requests that arrive together share a statement
  (\`api/src/tasks/shared-store.ts\`)
- **plain**: this API with a statement for each request
- **fastify**, **fastify-log**: a minimal server with Fastify 5 and pg, without and with its logger
  (\`tools/bench/variant.ts\`)
- **bun**: a minimal server with Bun, Hono and pg (\`tools/bench/peer/server.js\`)

${columns}
${table(results)}
`;

/** The text of docs/growth.md. */
export const growthPage = (results: Result[], plan: Plan, bytes: number): string => `# Growth

Written by \`npm run bench -- --growth\`. It compares production with a small and with a large table;
\`create\` comes last, and adds rows to the table. All figures come from one run:
${growthConditions(plan).join(',\n')}.
Look at the ratios: the figures themselves depend on the machine.

${columns}
\`WAL bytes\` is what PostgreSQL wrote to its log of changes, per request. A quieter database writes
more for each, as [scaling](scaling.md#what-a-request-costs) says.

A task of the large table takes ${bytes} bytes with its indexes.

${growthTable(results)}
`;
