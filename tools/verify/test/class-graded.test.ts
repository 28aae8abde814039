// Classes on the engine: what their students find in their reports, and what a second run keeps.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Judgement } from '../class/judgement.ts';
import { scoreOf } from '../class/score.ts';
import { submissionsIn } from '../class/submissions.ts';
import { weightsIn } from '../class/weights.ts';
import { grade, type Graded, Submitted } from './submission.ts';

type Variant = (submitted: Submitted) => void;

/** A class with these submissions, in a directory of its own. */
class TestClass {
  readonly #place = mkdtempSync(join(tmpdir(), 'taskapp-class-test-'));
  readonly #directory = join(this.#place, 'class');
  readonly #report = join(this.#place, 'report');

  constructor(variants: Record<string, Variant>) {
    for (const path of ['class', 'tmp']) mkdirSync(join(this.#place, path));
    for (const [name, change] of Object.entries(variants))
      change(new Submitted(join(this.#directory, name)));
  }

  grade(more: string[] = [], interruptAfter?: number): Promise<Graded> {
    const args = ['--class', this.#directory, '--report', this.#report, ...more];
    return grade(args, join(this.#place, 'tmp'), interruptAfter);
  }

  /** The files with the judgements that there are. */
  results(): string[] {
    const names = readdirSync(join(this.#report, 'results'));
    return names.map((name) => join(this.#report, 'results', name));
  }

  judgementOf(folder: string): Judgement {
    const key = submissionsIn(this.#directory).find((one) => one.folder === folder)?.key ?? '';
    const path = this.results().find((one) => one.includes(key)) ?? '';
    return JSON.parse(readFileSync(path, 'utf8')) as Judgement;
  }

  /** What the checks with an outcome saw, by id. */
  seen(folder: string, outcome = 'failed'): Record<string, string> {
    const checks = this.judgementOf(folder).checks.filter((check) => check.outcome === outcome);
    return Object.fromEntries(checks.map(({ id, seen, reason }) => [id, reason + seen.join('\n')]));
  }

  remove(): void {
    rmSync(this.#place, { recursive: true });
  }
}

const oneMore = (name: string) =>
  [
    `  ${name}:`,
    '    image: ${NGINX_IMAGE:-nginx:1.30-alpine}',
    '    networks: [frontend]',
    '    healthcheck:',
    '      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1/"]',
    '      interval: 2s',
    '      timeout: 2s',
    '',
  ].join('\n');

const webCheck = /( {4}networks: \[frontend\]\n {4}depends_on:\n.*\n) {4}healthcheck:\n( {6}.*\n)+/;

const variants: Record<string, Variant> = {
  'argument in an image': (one) => {
    one.edit('compose.yml', 'args: [NODE_IMAGE]', 'args: [NODE_IMAGE, POSTGRES_PASSWORD]');
    one.edit(
      'api/Dockerfile',
      'USER node',
      'ARG POSTGRES_PASSWORD\nENV DATABASE=taskapp:$POSTGRES_PASSWORD\nUSER node',
    );
  },
  // Its init file knows the password: it works with that of the example only.
  'copies all': (one) => {
    one.edit('compose.yml', 'context: ./api', 'context: .\n      dockerfile: api/Dockerfile');
    one.edit(
      'api/Dockerfile',
      'COPY package.json package-lock.json',
      'COPY api/package.json api/package-lock.json',
    );
    one.edit('api/Dockerfile', 'COPY server.js ./', 'COPY . /src\nCOPY api/server.js ./');
    one.write('db/init/02_login.sql', "ALTER USER taskapp PASSWORD 'change-me';\n");
  },
  'six services': (one) => {
    one.edit(
      'compose.yml',
      'services:\n',
      `services:\n${['cache', 'mail', 'search'].map(oneMore).join('')}`,
    );
    // The image of this name, which is on the machine, has no health check.
    one.edit(
      'compose.yml',
      '    image: ${NGINX_IMAGE:-nginx:1.30-alpine}\n    restart',
      '    image: ${NGINX_IMAGE:-nginx:1.30-alpine}\n' +
        '    build: { context: ./nginx, args: [NGINX_IMAGE] }\n    restart',
    );
    one.write('compose.yml', one.read('compose.yml').replace(webCheck, '$1'));
    one.write(
      'nginx/Dockerfile',
      'ARG NGINX_IMAGE=nginx:1.30-alpine\nFROM ${NGINX_IMAGE}\n' +
        'HEALTHCHECK --interval=2s --timeout=2s ' +
        'CMD wget -q -O /dev/null http://127.0.0.1/nginx-health\n',
    );
  },
  'takes memory': (one) => {
    // With 700 MiB, it would work.
    const taken = 'globalThis.taken = Buffer.alloc(700 * 2 ** 20, 1);\n';
    one.write('api/server.js', one.read('api/server.js').replace(/\n(?=const )/, `\n${taken}`));
    one.edit(
      'compose.yml',
      '    restart: unless-stopped\n    init: true',
      '    restart: "no"\n    init: true',
    );
  },
  'takes memory in a build': (one) => {
    const taken = 'RUN node -e "globalThis.taken = Buffer.alloc(2 * 2 ** 30, 1)"';
    one.edit('api/Dockerfile', 'USER node', `${taken}\nUSER node`);
  },
  'zip of everything': (one) => {
    rmSync(one.path('.gitignore'));
    const settings = one.read('.env.example').replace('change-me', 'Horse7staple');
    writeFileSync(one.path('.env'), settings, { mode: 0o600 });
    one.write('notes.txt', 'psql postgres://taskapp:Horse7staple@localhost/taskdb\n');
  },
};

const remains = () =>
  [
    ['ps', '--all'],
    ['volume', 'ls'],
    ['network', 'ls'],
    ['image', 'ls'],
  ].flatMap((list) => {
    const args = [...list, '--quiet', '--filter', 'label=taskapp.verify.class'];
    return execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean);
  });

describe.skipIf(inject('notRunBecause'))('a class', () => {
  const ofSix = new TestClass(variants);
  const names = Object.keys(variants);
  let kept: string[] = [];
  let second = { code: -1, output: '' };

  beforeAll(async () => {
    await ofSix.grade(['--jobs', '2'], 1);
    kept = ofSix.results();
    for (const path of kept) {
      const judgement = JSON.parse(readFileSync(path, 'utf8')) as Judgement;
      writeFileSync(path, JSON.stringify({ ...judgement, notes: ['of the first run'] }));
    }
    second = await ofSix.grade(['--jobs', '2']);
  }, 400_000);
  afterAll(() => ofSix.remove());

  it('says how each submission did, as soon as it is graded', () => {
    const lines = second.output.split('\n').filter((line) => /^\[\d\/6\] /.test(line));
    const expected = names.map((name, n) => `[${n + 1}/6] ${name}: `);
    const titles = lines.map((line) => line.replace(/\d+ failed, \d+ not run$/, ''));
    expect(titles.toSorted()).toEqual(expected);
    expect(second.output.indexOf('6 of 6 graded')).toBeGreaterThan(
      second.output.indexOf(lines.at(-1) ?? ''),
    );
  });

  it('grades nothing again after an interruption', () => {
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(6);
    const again = ofSix.results().filter((path) => {
      const { notes } = JSON.parse(readFileSync(path, 'utf8')) as Judgement;
      return !notes.includes('of the first run');
    });
    expect(again).toHaveLength(6 - kept.length);
    expect(again.filter((path) => kept.includes(path))).toEqual([]);
  });

  it('finds a password of .env in an image, and nothing else wrong', () => {
    expect(ofSix.seen('argument in an image')).toEqual({
      'config.image-secrets': expect.stringMatching(/image of api contains \w*PASS/) as string,
    });
    expect(ofSix.seen('argument in an image', 'not run')).toEqual({});
  });

  it('finds .env in an image, though its password is that of the example', () => {
    expect(ofSix.seen('copies all')).toEqual({
      'config.image-secrets': 'the image of api contains .env',
    });
    expect(ofSix.seen('copies all', 'not run')).toEqual({});
  });

  it('tries the health checks of six services, also one in an image that was built', () => {
    const passed = Object.keys(ofSix.seen('six services', 'passed'));
    expect(passed).toEqual(
      expect.arrayContaining(['health.checks', 'health.timing', 'health.can-fail']),
    );
    expect(ofSix.seen('six services', 'not run')).toEqual({});
  });

  it('searches all that was handed in without a repository', () => {
    expect(ofSix.seen('zip of everything')).toEqual({
      'files.env-ignored': '.env is in git, or would be after the next git add .',
      'files.secrets-ignored': expect.stringMatching(/^notes\.txt has /) as string,
    });
  });

  it('lets no container have more memory than its share', () => {
    expect(ofSix.seen('takes memory', 'passed')).not.toHaveProperty(['api.list']);
  });

  it('lets no build have more memory than its share', () => {
    const { notes } = ofSix.judgementOf('takes memory in a build');
    expect(notes.join('\n')).toMatch(/the build of api: [^]*exit code: 137/);
  });
});

describe.skipIf(inject('notRunBecause'))('a class with --destructive', () => {
  const ofOne = new TestClass({
    ada: (one) => {
      mkdirSync(one.path('scripts'));
      const dump = 'docker compose exec -T db pg_dump -U taskapp taskdb > backup.sql';
      one.write('scripts/backup.sh', `#!/bin/sh\n${dump}\n`);
    },
  });
  let graded = { code: -1, output: '' };

  beforeAll(async () => {
    graded = await ofOne.grade(['--destructive']);
  }, 300_000);
  afterAll(() => ofOne.remove());

  it('has full marks for what is right, and leaves nothing behind', () => {
    expect(graded.code).toBe(0);
    const { checks } = ofOne.judgementOf('ada');
    const { made, of } = scoreOf(checks, weightsIn(undefined));
    expect(ofOne.seen('ada', 'failed')).toEqual({});
    expect(ofOne.seen('ada', 'not run')).toEqual({});
    expect(made).toBe(of);
    const passed = Object.keys(ofOne.seen('ada', 'passed'));
    expect(passed).toEqual(
      expect.arrayContaining([
        'health.database-down',
        'health.unhealthy',
        'health.recovers',
        'operations.backup',
        'operations.down-up',
        'operations.reboot',
      ]),
    );
    expect(remains()).toEqual([]);
  });

  it('does not run the scripts of a submission, and says so', () => {
    expect(ofOne.seen('ada', 'skipped')).toMatchObject({
      'operations.backup-script': expect.stringContaining('scripts/backup.sh') as string,
    });
  });
});
