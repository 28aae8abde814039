// `npm run bench`: how fast the stack is, next to what the same chain could do at most and to two other ways to write the API.
// All in one run on one machine, so that the ratios mean something. Writes docs/performance.md and docs/performance.svg.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const usage = `Usage: npm run bench -- [--quick]

Boots the production stack four times, each with another API behind the same nginx and PostgreSQL, and drives one after the
other with wrk (Debian: apt-get install wrk) at its address on the frontend network, in several rounds. Takes under
10 minutes, --quick under 2: then 64 connections only, and docs/ is left alone.`;

if (process.argv.includes('--help')) {
  console.log(usage);
  process.exit(0);
}
const quick = process.argv.includes('--quick');

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const prefix = `taskapp-bench-${process.pid}`;
const projectOf = (variant: Variant) => `${prefix}-${variant}`;
const secrets = mkdtempSync(join(tmpdir(), `${prefix}-`));
const variants = ['ceiling', 'shared', 'plain', 'fastify'] as const;
const operations = ['list', 'one', 'create'] as const;
const connections = quick ? [64] : [1, 64, 256];
// The speed of a machine that is not alone wanders: many short rounds, variant after variant, and the median of each.
const roundsWith = (count: number) => (quick ? 2 : count === 64 ? 5 : 2);
const seconds = quick ? 2 : 3;
const rows = 50;

type Variant = (typeof variants)[number];
type Operation = (typeof operations)[number];

interface Result {
  variant: Variant;
  operation: Operation;
  connections: number;
  /** Requests per second, errors not counted; the median of the rounds, as are the times. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  errors: number;
  /** CPU time per request, in microseconds, by cgroup accounting. */
  cpu: Record<Tier, number>;
  /** MiB of the API's container after the last round. */
  memory: number;
}
const tiers = ['web', 'api', 'db'] as const;
type Tier = (typeof tiers)[number];

async function compose(variant: Variant, ...args: string[]): Promise<string> {
  const files = ['compose.yml', 'compose.prod.yml', 'tools/bench/compose.yml'].flatMap((file) => [
    '-f',
    file,
  ]);
  const env = {
    ...process.env,
    COMPOSE_DISABLE_ENV_FILE: '1',
    HTTP_BIND: '127.0.0.1',
    HTTP_PORT: '0',
    HTTPS_PORT: '0',
    SECRETS_DIR: secrets,
    IMAGE_PREFIX: prefix,
    TAG: 'bench',
    VARIANT: variant,
  };
  const { stdout } = await run('docker', ['compose', '-p', projectOf(variant), ...files, ...args], {
    cwd: root,
    env,
  });
  return stdout;
}

/** A booted stack. */
interface Stack {
  /** Container ids. */
  ids: Record<Tier, string>;
  /** Of nginx, on the frontend network. */
  address: string;
}

async function start(variant: Variant): Promise<Stack> {
  await compose(variant, 'up', '-d', '--wait');
  const [web = '', api = '', db = ''] = await Promise.all(
    tiers.map((tier) => compose(variant, 'ps', '--quiet', tier)),
  );
  const ids = { web: web.trim(), api: api.trim(), db: db.trim() };
  const format = `{{(index .NetworkSettings.Networks "${projectOf(variant)}_frontend").IPAddress}}`;
  return {
    ids,
    address: (await run('docker', ['inspect', '--format', format, ids.web])).stdout.trim(),
  };
}

/** Nanoseconds of CPU and bytes of memory of a container since its start, from the engine. */
async function usageOf(id: string): Promise<{ cpu: number; memory: number }> {
  const path = `/containers/${id}/stats?stream=false&one-shot=true`;
  const body = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath: '/var/run/docker.sock', path }, (response) => {
      let text = '';
      response
        .on('data', (chunk: Buffer) => (text += chunk.toString()))
        .on('end', () => resolve(text));
    });
    call.on('error', reject).end();
  });
  const stats = JSON.parse(body) as {
    cpu_stats: { cpu_usage: { total_usage: number } };
    memory_stats: {
      usage: number;
      stats: { inactive_file?: number; total_inactive_file?: number };
    };
  };
  const { usage: used, stats: detail } = stats.memory_stats;
  const cache = detail.total_inactive_file ?? detail.inactive_file ?? 0;
  return { cpu: stats.cpu_stats.cpu_usage.total_usage, memory: used - cache };
}

/** The same rows for each measurement, whatever was created before. */
async function resetTasks(db: string): Promise<void> {
  const insert = `INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, ${rows}) n`;
  const reset = `TRUNCATE tasks RESTART IDENTITY; ${insert}; ANALYZE tasks`;
  await run('docker', ['exec', db, 'psql', '-U', 'taskapp', '-d', 'taskdb', '-qc', reset]);
}

/** What one round of wrk gave; CPU in microseconds of all its requests. */
interface Round extends Pick<Result, 'rate' | 'p50' | 'p99' | 'errors' | 'memory' | 'cpu'> {
  requests: number;
}

async function drive(
  { ids, address }: Stack,
  operation: Operation,
  count: number,
  duration = seconds,
): Promise<Round> {
  const url = `http://${address}/api/tasks${operation === 'one' ? '/25' : ''}`;
  const script = operation === 'create' ? ['-s', join(import.meta.dirname, 'create.lua')] : [];
  await resetTasks(ids.db);
  const before = await Promise.all(tiers.map((tier) => usageOf(ids[tier])));
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${count}`,
    `-d${duration}s`,
    '--latency',
    ...script,
    url,
  ]);
  const after = await Promise.all(tiers.map((tier) => usageOf(ids[tier])));

  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? 0);
  const milliseconds = (percent: number) => {
    const [, value = '0', unit = 'ms'] =
      new RegExp(`${percent}%\\s+([0-9.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? 1);
  };
  const errors = number(/Non-2xx or 3xx responses: (\d+)/);
  const requests = number(/(\d+) requests in/);
  const cpu = tiers.map((tier, n) => [
    tier,
    ((after[n]?.cpu ?? 0) - (before[n]?.cpu ?? 0)) / 1_000,
  ]);
  return {
    requests,
    rate: number(/Requests\/sec:\s+([0-9.]+)/) * (1 - errors / Math.max(requests, 1)),
    p50: milliseconds(50),
    p99: milliseconds(99),
    errors,
    cpu: Object.fromEntries(cpu) as Record<Tier, number>,
    memory: (after[1]?.memory ?? 0) / 1024 / 1024,
  };
}

function summary(variant: Variant, operation: Operation, count: number, measured: Round[]): Result {
  const median = (value: (round: Round) => number) => {
    const sorted = measured.map(value).toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  };
  const sum = (value: (round: Round) => number) =>
    measured.reduce((total, round) => total + value(round), 0);
  const requests = sum((round) => round.requests);
  const perRequest = tiers.map((tier) => [tier, sum((round) => round.cpu[tier]) / requests]);
  return {
    variant,
    operation,
    connections: count,
    rate: median(({ rate }) => rate),
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    errors: sum(({ errors }) => errors),
    cpu: Object.fromEntries(perRequest) as Record<Tier, number>,
    memory: measured.at(-1)?.memory ?? NaN,
  };
}

function table(results: Result[]): string {
  const header = [
    '| connections | request | variant | requests/s | of ceiling | times Fastify | p50 ms | p99 ms | CPU µs web / api / db | API MiB | errors |',
    '| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  ];
  const lines = results
    .toSorted(
      (a, b) =>
        a.connections - b.connections ||
        operations.indexOf(a.operation) - operations.indexOf(b.operation),
    )
    .map((result) => {
      const same = (variant: Variant) =>
        results.find(
          (r) =>
            r.variant === variant &&
            r.operation === result.operation &&
            r.connections === result.connections,
        );
      const ratio = (variant: Variant) => (result.rate / (same(variant)?.rate ?? NaN)).toFixed(2);
      const cells = [
        result.connections,
        result.operation,
        result.variant === 'shared' ? '**taskapp**' : result.variant,
        Math.round(result.rate).toLocaleString('en'),
        ratio('ceiling'),
        ratio('fastify'),
        result.p50.toFixed(2),
        result.p99.toFixed(2),
        tiers.map((tier) => Math.round(result.cpu[tier])).join(' / '),
        Math.round(result.memory),
        result.errors,
      ];
      return `| ${cells.join(' | ')} |`;
    });
  return [...header, ...lines].join('\n');
}

/** Bars of the requests per second at 64 connections. */
function chart(results: Result[]): string {
  const shown = results.filter((result) => result.connections === 64);
  const most = Math.max(...shown.map(({ rate }) => rate));
  const colours: Record<Variant, string> = {
    ceiling: '#bbbbbb',
    shared: '#1f77b4',
    plain: '#aec7e8',
    fastify: '#ff9f5a',
  };
  const bars = operations.flatMap((operation, group) =>
    variants.map((variant, n) => {
      const rate =
        shown.find((result) => result.operation === operation && result.variant === variant)
          ?.rate ?? 0;
      const y = 30 + group * 110 + n * 22;
      const name = variant === 'shared' ? 'taskapp' : variant;
      return [
        `<rect x="150" y="${y}" width="${Math.round((rate / most) * 400)}" height="18" fill="${colours[variant]}"/>`,
        `<text x="145" y="${y + 13}" text-anchor="end">${operation}, ${name}</text>`,
        `<text x="${155 + Math.round((rate / most) * 400)}" y="${y + 13}">${Math.round(rate).toLocaleString('en')}</text>`,
      ].join('');
    }),
  );
  const open =
    '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="370" font-family="sans-serif" font-size="12">';
  const title =
    '<text x="10" y="18" font-weight="bold">Requests per second at 64 connections</text>';
  return `${open}<rect width="640" height="370" fill="white"/>${title}${bars.join('')}</svg>\n`;
}

try {
  execFileSync('wrk', ['-v'], { stdio: 'ignore' });
} catch (error) {
  // wrk -v exits with 1
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    console.error(
      'bench: wrk is not installed (Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk)',
    );
    process.exit(1);
  }
}

const results: Result[] = [];
const started = Date.now();
const total = variants.length * operations.length * connections.length;
try {
  execFileSync(
    join(root, 'scripts/make-secrets.sh'),
    ['--dir', secrets, '--self-signed', 'localhost'],
    { stdio: 'ignore' },
  );
  const stacks = new Map<Variant, Stack>();
  for (const variant of variants) {
    console.log(`bench: starting ${variant}`);
    await compose(variant, 'build');
    stacks.set(variant, await start(variant));
  }
  for (const operation of operations) {
    console.log(`bench: warming up for ${operation}`);
    for (const stack of stacks.values()) await drive(stack, operation, 64, quick ? 2 : 4); // until Node has compiled what runs often
    for (const count of connections) {
      const measured = new Map<Variant, Round[]>();
      for (let round = 0; round < roundsWith(count); round++) {
        for (const [variant, stack] of stacks) {
          measured.set(variant, [
            ...(measured.get(variant) ?? []),
            await drive(stack, operation, count),
          ]);
        }
      }
      for (const [variant, all] of measured) {
        const result = summary(variant, operation, count, all);
        results.push(result);
        const { rate, p50, p99, errors } = result;
        const numbers = `${Math.round(rate)}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${errors} errors`;
        console.log(
          `bench: ${results.length}/${total} ${variant} ${operation} with ${count}: ${numbers}`,
        );
      }
    }
  }
} finally {
  for (const variant of variants) {
    await compose(variant, 'down', '--volumes', '--timeout', '2').catch(() => undefined);
  }
  await run('docker', [
    'image',
    'rm',
    '--force',
    `${prefix}-api:bench`,
    `${prefix}-web:bench`,
  ]).catch(() => undefined);
  rmSync(secrets, { recursive: true });
}

const took = Math.round((Date.now() - started) / 1_000);
const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), wrk on the same machine, median of ${roundsWith(64)} rounds of ${seconds} s (${roundsWith(1)} with 1 and 256 connections), ${rows} rows`;
console.log(`\n${table(results)}\n\n${machine}; took ${took} s`);
if (!quick) {
  writeFileSync(join(root, 'docs/performance.svg'), chart(results));
  writeFileSync(
    join(root, 'docs/performance.md'),
    `# Performance

Written by \`npm run bench\`, all figures from one run: ${machine}. The ratios are what to look at; the figures are this machine's.

![Requests per second](performance.svg)

- **ceiling**: this API with a constant of the same size in the place of the database, so what nginx, Express and the logs allow at most
- **taskapp**: this API; requests that arrive together share a statement (\`api/src/tasks/shared-store.ts\`)
- **plain**: this API with a statement for each request
- **fastify**: Fastify 5 and pg, as small as such a server can be (\`tools/bench/variant.ts\`)

${table(results)}
`,
  );
  console.log('bench: wrote docs/performance.md and docs/performance.svg');
}
