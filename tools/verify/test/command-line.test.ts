// The command line and the formats: nothing here needs Docker.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from './root.ts';
import { chapters, groupOf, groups } from '../check.ts';
import { checks } from '../checks/all.ts';
import { baseImages, isPinned } from '../images.ts';
import { valueIn } from '../published.ts';
import { format, formats } from '../report.ts';
import { Project } from '../project.ts';
import { exitCode, type Outcome, type Report, score, verify } from '../run.ts';

/** Runs the command as npm does, with no Docker engine in reach. */
const command = (...args: string[]) => commandWith({}, ...args);

async function commandWith(
  more: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const withoutDocker = { DOCKER_HOST: 'unix:///nonexistent.sock', INIT_CWD: tmpdir() };
  const env = { ...process.env, ...withoutDocker, ...more };
  const ended = promisify(execFile)(
    process.execPath,
    [join(root, 'tools/verify/main.ts'), ...args],
    {
      env,
    },
  );
  return ended.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );
}

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-verify-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

function reportOf(...outcomes: Outcome[]): Report {
  const results = outcomes.map((outcome, n) => {
    const check = checks[n * 9];
    if (!check) throw new Error('too many');
    return {
      check,
      outcome,
      seen: outcome === 'failed' ? ['a <b> & "c"\u0000\u001B[31m'] : [],
      reason: outcome === 'passed' || outcome === 'failed' ? '' : 'because',
      ms: 1_500,
    };
  });
  return { results, notes: [], ms: 6_000 };
}

describe('the list of checks', () => {
  it('has unique ids in its groups, each with a chapter, points, a reason and a fix', () => {
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
    expect(new Set(checks.map(groupOf))).toEqual(new Set(groups));
    for (const { chapter, points, why, fix, title } of checks) {
      expect(chapters).toContain(chapter);
      expect(points).toBeGreaterThan(0);
      expect(Math.min(why.length, fix.length, title.length)).toBeGreaterThan(10);
    }
  });
});

describe('npm run verify', () => {
  it('explains itself with --help', async () => {
    const { code, stdout } = await command('--help');
    expect(code).toBe(0);
    for (const word of [
      '--dir',
      '--url',
      '--only',
      '--format',
      '--destructive',
      'VERIFY_TOKEN',
      ...groups,
    ])
      expect(stdout).toContain(word);
  });

  it.each([
    ['an unknown option', ['--fast'], "Unknown option '--fast'"],
    ['a value that is missing', ['--dir'], 'argument missing'],
    ['a directory that is not there', ['--dir', 'no-such'], join(tmpdir(), 'no-such')],
    ['an unknown group', ['--only', 'api,speed'], '--only: speed is none of files, compose'],
    ['an unknown format', ['--format', 'xml'], '--format: xml is none of text, json, junit'],
    ['an address that is none', ['--url', 'localhost:80'], '--url: localhost:80 is not an address'],
    ['a certificate that is not there', ['--cacert', 'no-such.crt'], '--cacert: ENOENT'],
    ['one address for two directories', ['--dir', '.', '--dir', '.', '--url', 'http://x'], '--url'],
    ['what is no option', ['extra'], 'extra'],
  ])('ends with 2 on %s, and says so', async (_what, args, message) => {
    const { code, stdout, stderr } = await command(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('takes --dir relative to where npm was called, and ends with 0 if all passes', async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'compose.yml'), 'services: {}\n');
    const { code, stdout } = await command(
      '--dir',
      directory.slice(tmpdir().length + 1),
      '--only',
      'files.compose',
    );
    expect(stdout).toMatch(
      /✓ files\.compose .*\n\n1 of 1 points: 1 passed, 0 failed, 0 not run, 0 skipped/,
    );
    expect(code).toBe(0);
  });

  it('judges each of several directories, in one document', async () => {
    const directories = [newDirectory(), newDirectory()];
    const dirs = directories.flatMap((directory) => ['--dir', directory]);
    const run = (as: string) => command(...dirs, '--only', 'files.compose', '--format', as);
    const json = await run('json');
    expect(json.code).toBe(1);
    const seen = JSON.parse(json.stdout) as { directory: string; checks: unknown[] }[];
    expect(seen.map((one) => [one.directory, one.checks.length])).toEqual(
      directories.map((directory) => [directory, 1]),
    );
    const junit = await run('junit');
    expect(junit.stdout.match(/<\?xml|<testsuites /g)).toHaveLength(2);
    const text = await run('text');
    for (const directory of directories) {
      expect(junit.stdout).toContain(`<testsuite name="${directory}: files"`);
      expect(text.stdout).toContain(`${directory}\n\nfiles\n`);
    }
  });

  it('reports every check without an engine or files, and ends with 1', async () => {
    const { code, stdout, stderr } = await command('--dir', newDirectory(), '--format', 'json');
    expect([code, stderr]).toEqual([1, '']);
    const { checks: seen } = JSON.parse(stdout) as {
      checks: { id: string; outcome: string; reason?: string; seen?: string[] }[];
    };
    expect(seen.map(({ id }) => id)).toEqual(checks.map(({ id }) => id));
    const named = Object.fromEntries(seen.map((one) => [one.id, one]));
    expect(named['files.compose']).toMatchObject({
      outcome: 'failed',
      seen: [expect.stringContaining('no compose.yml in ')],
    });
    const noFiles = 'docker compose config: no configuration file provided';
    const noDocker = 'the command docker is not installed$';
    const cause = expect.stringMatching(new RegExp(`^${noFiles}|^${noDocker}`)) as unknown;
    expect(named['compose.model']).toMatchObject({ outcome: 'failed', seen: [cause] });
    expect(named['api.list']).toMatchObject({
      outcome: 'skipped',
      reason: 'blocked by files.compose',
    });
  });

  it('asks web itself, whatever proxy the environment names', async () => {
    const answersWith = async (text: string) => {
      const server = createServer(({ url }, response) => void response.end(`${text} ${url}`));
      onTestFinished(() => void server.close());
      await once(server.listen(0, '127.0.0.1'), 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    const [web, proxy] = [await answersWith('healthy'), await answersWith('from the proxy')];
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY'];
    const env = Object.fromEntries(names.map((name) => [name, proxy]));
    const only = ['--only', 'health.answers,health.nginx'];
    const more = { ...env, NODE_USE_ENV_PROXY: '1' };
    const { code, stdout } = await commandWith(more, '--url', web, ...only);
    expect([code, stdout]).toEqual([0, expect.stringContaining('2 passed')]);
  });

  it('ends with 1 when nothing at all has run', async () => {
    const { code, stdout } = await command('--dir', newDirectory(), '--only', 'operations');
    expect(stdout).toContain('0 of 0 points: 0 passed, 0 failed, 0 not run, 4 skipped');
    expect(code).toBe(1);
  });
});

it('looks at a backup before an outage, which would end a lock that the backup must find', async () => {
  const order: string[] = [];
  await verify(new Project({ directory: newDirectory() }), {
    destructive: true,
    only: ['health.recovers', 'operations', 'files.compose'],
    onStart: ({ id }) => order.push(id),
  });
  expect(order.slice(0, 2)).toEqual(['files.compose', 'operations.backup']);
});

describe('the verdict', () => {
  it('is 0 only when something has run and all of it passed', () => {
    expect(exitCode(reportOf('passed', 'skipped'))).toBe(0);
    expect(exitCode(reportOf('passed', 'failed'))).toBe(1);
    expect(exitCode(reportOf('passed', 'not run'))).toBe(1);
    expect(exitCode(reportOf('skipped'))).toBe(1);
    expect(exitCode(reportOf())).toBe(1);
  });

  it('counts the points of all that are not skipped', () => {
    const report = reportOf('passed', 'failed', 'not run', 'skipped');
    const [a = 0, b = 0, c = 0] = report.results.map(({ check }) => check.points);
    expect(score(report)).toEqual({ made: a, of: a + b + c });
  });
});

describe('the formats', () => {
  const report = reportOf('passed', 'failed', 'not run', 'skipped');
  const [, failed] = report.results;

  it('text says what was seen, why it matters and how to fix it, in colour on request', () => {
    const text = format(report, { as: 'text', directory: '/x' });
    expect(text).toContain(`✗ ${failed?.check.id}`);
    for (const part of [failed?.check.why, 'a <b> & "c"', 'not run: because', 'skipped: because'])
      expect(text).toContain(part);
    const coloured = format(report, { as: 'text', directory: '/x', colour: true });
    expect(coloured).toContain('\u001B[32m✓');
  });

  it('no answer of a stack can change what the terminal shows', () => {
    const hostile = report.results.map((result) => ({
      ...result,
      seen: result.seen.map(() => 'POST: 500 \u001B[1A\u001B[2K\r✓\u009B2K\u202E\n  ✓ api.create'),
      reason: result.reason && 'a\nb\u0007',
    }));
    for (const as of formats) {
      const text = format({ ...report, results: hostile }, { as, directory: '/x' });
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(text).not.toMatch(/^ {2}✓ api\.create$/m);
    }
  });

  it('json has every check with its outcome', () => {
    const parsed = JSON.parse(format(report, { as: 'json', directory: '/x' })) as {
      directory: string;
      checks: { outcome: string; seen?: string[] }[];
    };
    expect(parsed.directory).toBe('/x');
    expect(parsed.checks.map(({ outcome }) => outcome)).toEqual([
      'passed',
      'failed',
      'not run',
      'skipped',
    ]);
    expect(parsed.checks[1]?.seen).toEqual(failed?.seen);
  });

  it('junit is well-formed XML whatever was seen, with failures, errors and skipped tests', () => {
    const xml = format(report, { as: 'junit', directory: '/x "&' });
    expect(xml).toContain('a &#60;b&#62; &#38; &#34;c&#34;\uFFFD\uFFFD[31m');
    expect(xml.match(/<testcase /g)).toHaveLength(4);
    for (const element of ['failure', 'error', 'skipped'])
      expect(xml.match(new RegExp(`<${element} message=`, 'g'))).toHaveLength(1);
    expect(xml).toContain('<testsuites name="/x &#34;&#38;">');
    // Every element that is opened is closed, in order.
    const open: string[] = [];
    const wrong: string[] = [];
    for (const [, end, name = '', self] of xml.matchAll(/<(\/?)(\w+)(?:\s[^<>]*?)?(\/?)>/g)) {
      if (!end && !self) open.push(name);
      if (end && open.pop() !== name) wrong.push(name);
    }
    expect([open, wrong]).toEqual([[], []]);
  });
});

describe('a value in a settings file', () => {
  it.each([
    ['ab#cdefgh', 'ab#cdefgh'],
    ['abc # a comment', 'abc'],
    ['"a b" # it\'s one', 'a b'],
    ["'a\"b'", 'a"b'],
    ['# nothing', ''],
    ['', ''],
  ])('takes %j for %j', (text, value) => {
    expect(valueIn(text)).toBe(value);
  });
});

describe('the names of images', () => {
  it.each([
    ['postgres:17-alpine', true],
    ['postgres', false],
    ['postgres:latest', false],
    ['registry:5000/me/api', false],
    ['registry:5000/me/api:1.2.3', true],
    [`api@sha256:${'0'.repeat(64)}`, true],
  ])('%s is pinned: %s', (image, pinned) => {
    expect(isPinned(image)).toBe(pinned);
  });

  it('are read from a Dockerfile with arguments and stages', () => {
    const dockerfile_inline = [
      'ARG NODE=node:24',
      'ARG OTHER=x',
      'FROM --platform=linux/amd64 ${NODE} AS base',
      'FROM base AS build',
      'from $OTHER',
      'FROM scratch',
    ].join('\n');
    expect(baseImages({ build: { context: '/x', dockerfile_inline } })).toEqual(['node:24', 'x']);
    expect(
      baseImages({
        build: { context: '/x', dockerfile_inline, args: { NODE: 'node:26', OTHER: null } },
      }),
    ).toEqual(['node:26', 'x']);
    expect(baseImages({ image: 'x' })).toEqual([]);
  });
});
