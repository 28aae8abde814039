// The results as a table, a chart and docs/performance.md.
import { cpus } from 'node:os';
import type { Result } from './drive.ts';
import { nameOf, operations, type Plan, rows, tiers, type Variant, variants } from './plan.ts';

const header = [
  'connections',
  'request',
  'variant',
  'requests/s',
  'of ceiling',
  'times Fastify',
  'p50 ms',
  'p99 ms',
  'CPU µs per request, web / api / db',
  'API MiB',
  'errors',
];
const alignment = ['---:', '---', '---', ...Array<string>(8).fill('---:')];

const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
const whole = (value: number) => Math.round(value).toLocaleString('en');

/** All results as a Markdown table. */
export function table(results: Result[]): string {
  const order = ({ operation }: Result) => operations.indexOf(operation);
  const sorted = results.toSorted((a, b) => a.connections - b.connections || order(a) - order(b));
  const lines = sorted.map((result) => line(cellsOf(result, results)));
  return [line(header), line(alignment), ...lines].join('\n');
}

function cellsOf(result: Result, results: Result[]): (string | number)[] {
  const { variant, operation, connections, rate, p50, p99, cpu, memory, errors } = result;
  const measuredAlike = results.filter(
    (other) => other.operation === operation && other.connections === connections,
  );
  const ratio = (to: Variant) => {
    const other = measuredAlike.find((one) => one.variant === to);
    return (rate / (other?.rate ?? NaN)).toFixed(2);
  };
  return [
    connections,
    operation,
    variant === 'shared' ? `**${nameOf(variant)}**` : nameOf(variant),
    whole(rate),
    ratio('ceiling'),
    ratio('fastify'),
    p50.toFixed(2),
    p99.toFixed(2),
    tiers.map((tier) => Math.round(cpu[tier])).join(' / '),
    Math.round(memory),
    errors,
  ];
}

const colours: Record<Variant, string> = {
  ceiling: '#bbbbbb',
  shared: '#1f77b4',
  plain: '#aec7e8',
  fastify: '#ff9f5a',
};

/** The requests per second with 64 connections, as bars in an SVG. */
export function chart(results: Result[]): string {
  const shown = results.filter(({ connections }) => connections === 64);
  const most = Math.max(...shown.map(({ rate }) => rate));
  const bars: string[] = [];
  for (const [group, operation] of operations.entries()) {
    for (const [n, variant] of variants.entries()) {
      const found = shown.find((one) => one.operation === operation && one.variant === variant);
      const rate = found?.rate ?? 0;
      const y = 30 + group * 110 + n * 22;
      const width = Math.round((rate / most) * 400);
      bars.push(bar(y, width, colours[variant], `${operation}, ${nameOf(variant)}`, whole(rate)));
    }
  }
  const size = 'width="640" height="370"';
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

/** The machine, and how it was measured: two lines. */
export function conditions(plan: Plan): string[] {
  const [first] = cpus();
  const machine = `${cpus().length} cores (${first?.model.trim()})`;
  const [rounds, others] = [plan.roundsWith(64), plan.roundsWith(1)];
  return [
    `${machine}, wrk on the same machine, ${rows} rows`,
    `median of ${rounds} rounds of ${plan.seconds} s (${others} rounds with 1 or 256 connections)`,
  ];
}

/** The text of docs/performance.md. */
export const page = (results: Result[], plan: Plan): string => `# Performance

Written by \`npm run bench\`. All figures come from one run:
${conditions(plan).join(',\n')}.
Look at the ratios: the figures themselves depend on the machine.

![Requests per second](performance.svg)

- **ceiling**: this API, answering with a constant response of the same size and no query; it shows
  the most that nginx, Express and the logs allow; a result slightly above it is noise
- **taskapp**: this API; requests that arrive together share a statement
  (\`api/src/tasks/shared-store.ts\`)
- **plain**: this API with a statement for each request
- **fastify**: a minimal server with Fastify 5 and pg (\`tools/bench/variant.ts\`)

${table(results)}
`;
