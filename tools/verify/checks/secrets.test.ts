// Where students leave the secrets of their stack, and where they do not. Nothing is booted.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, inject, it } from 'vitest';
import { Course } from '../test/course.ts';
import { differences } from '../test/expected.ts';

const only = ['files.env-ignored', 'files.secrets-ignored', 'config.no-password', 'prod.passwords'];
const secret = 'Horse7staple';
const word = 'secretpass'; // no digit, so it is looked for where secrets stand

type Variant = [what: string, change: (course: Course) => void, failed: string[]];

const git = (course: Course, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x', ...args], {
    cwd: course.directory,
    stdio: 'pipe',
  });
const commit = (course: Course) => {
  git(course, 'add', '--all');
  git(course, 'commit', '--quiet', '--allow-empty', '--message', 'x');
};
const add = (course: Course, path: string, text: string) => {
  mkdirSync(join(course.directory, path, '..'), { recursive: true });
  course.write(path, text);
};
const append = (course: Course, path: string, text: string) =>
  course.write(path, `${course.read(path)}${text}\n`);
const setPassword = (course: Course, value: string) =>
  course.edit('.env', 'POSTGRES_PASSWORD=change-me', `POSTGRES_PASSWORD=${value}`);
const environmentOfApi = (course: Course, line: string) =>
  course.editService('api', 'DB_HOST: db', `DB_HOST: db\n      ${line}`);
const committedOnce = (course: Course, path: string, text: string) => {
  add(course, path, text);
  git(course, 'add', '--force', path);
  commit(course);
  rmSync(join(course.directory, path));
  commit(course);
};

const wrong: Variant[] = [
  ['a literal DB_PWD', (c) => environmentOfApi(c, 'DB_PWD: hunter2'), ['config.no-password']],
  ['a literal db_pass', (c) => environmentOfApi(c, 'db_pass: hunter2'), ['config.no-password']],
  ['a SECRET_KEY', (c) => environmentOfApi(c, 'SECRET_KEY: dev-key'), ['config.no-password']],
  [
    'a literal number',
    (c) => environmentOfApi(c, 'ADMIN_PASSWORD: 123456'),
    ['config.no-password'],
  ],
  [
    'a literal with a dollar in it',
    (c) => environmentOfApi(c, 'ADMIN_PASSWORD: "pa$$word"'),
    ['config.no-password'],
  ],
  [
    'a literal behind an anchor',
    (c) => {
      append(c, 'compose.yml', 'x-pass: &pass hunter2');
      c.write(
        'compose.yml',
        `x-secret: &pass hunter2\n${c.read('compose.yml')}`.replace(/x-pass.*\n/, ''),
      );
      environmentOfApi(c, 'ADMIN_PASSWORD: *pass');
    },
    ['config.no-password'],
  ],
  [
    'a default that production would use',
    (c) => {
      c.write(
        'compose.yml',
        c.read('compose.yml').replaceAll('${POSTGRES_PASSWORD}', `\${POSTGRES_PASSWORD:-${word}}`),
      );
    },
    ['prod.passwords'],
  ],
  [
    'a password in a command',
    (c) =>
      c.editService(
        'api',
        '    init: true',
        '    init: true\n    command: [node, server.js, "redis://:hunter2@cache"]',
      ),
    ['config.no-password'],
  ],
  [
    'a Compose file that is included',
    (c) => {
      add(
        c,
        'extra/tools.yaml',
        'services:\n  cache:\n    image: redis:8\n    environment: { REDIS_PASSWORD: hunter2 }\n',
      );
      c.write('compose.yml', `include: [extra/tools.yaml]\n${c.read('compose.yml')}`);
    },
    ['config.no-password'],
  ],
  [
    'a Compose file that lies elsewhere',
    (c) =>
      add(
        c,
        'deploy/stack.yml',
        'services:\n  db:\n    environment: [POSTGRES_PASSWORD=hunter2]\n',
      ),
    ['config.no-password'],
  ],
  [
    'ENV in a Dockerfile',
    (c) => append(c, 'api/Dockerfile', `ENV DB_PASS=${secret}`),
    ['files.secrets-ignored'],
  ],
  [
    'a default in the source',
    (c) => append(c, 'api/server.js', `const pass = process.env.DB_PASS ?? '${secret}';`),
    ['files.secrets-ignored'],
  ],
  [
    'a plain word as a default in the source',
    (c) => {
      c.edit('.env', secret, word);
      add(c, 'api/app.py', `password = os.getenv("DB_PASS", "${word}")\n`);
    },
    ['files.secrets-ignored'],
  ],
  [
    'a login in an init file',
    (c) => add(c, 'db/init/02_login.sql', "ALTER USER taskapp WITH PASSWORD 'hunter2';\n"),
    ['files.secrets-ignored'],
  ],
  [
    'the password in nginx.conf',
    (c) => append(c, 'nginx/default.conf', `# proxy_set_header X-Db "${secret}";`),
    ['files.secrets-ignored'],
  ],
  [
    'an env_file of another name in git',
    (c) => {
      add(c, 'db.env', 'POSTGRES_INITDB_ARGS=\nAPI_TOKEN=tok-4711\n');
      c.editService('db', '    environment:', '    env_file: db.env\n    environment:');
    },
    ['files.secrets-ignored'],
  ],
  [
    'a name that says nothing, for the password of a URL',
    (c) => {
      environmentOfApi(c, 'STORE: "postgres://taskapp:${POSTGRES_PASSWORD}@db/taskdb"');
      add(c, 'notes.txt', `psql postgres://taskapp:${secret}@localhost/taskdb\n`);
    },
    ['files.secrets-ignored'],
  ],
  [
    'a secret file whose content is elsewhere',
    (c) => {
      add(c, 'secrets/api_key', 'k-09f8e7d6\n');
      c.editService('db', '    deploy', '    secrets: [api_key]\n    deploy', 'compose.prod.yml');
      append(c, 'compose.prod.yml', 'secrets:\n  api_key: { file: ./secrets/api_key }');
      add(c, 'test.sh', "curl -H 'Authorization: Bearer k-09f8e7d6' localhost\n");
    },
    ['files.secrets-ignored'],
  ],
  [
    'a dump in git',
    (c) =>
      add(
        c,
        'backups/monday.sql',
        '--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE tasks ();\n',
      ),
    ['files.secrets-ignored'],
  ],
  [
    'a .env that was in git once',
    (c) => committedOnce(c, 'api/.env', `DB_PASS=${secret}\n`),
    ['files.env-ignored'],
  ],
  [
    'a Compose file that had the password once',
    (c) =>
      committedOnce(c, 'docker-compose.yml', `services: { db: { environment: [P=${secret}] } }\n`),
    ['files.secrets-ignored'],
  ],
  [
    'the password of the example in production',
    (c) => {
      add(c, '.env.prod', c.read('.env.example'));
      append(c, '.gitignore', '.env.prod');
    },
    ['prod.passwords'],
  ],
];

const right: Variant[] = [
  ['the course itself', () => undefined, []],
  [
    'a URL with a variable that must be set',
    (c) =>
      environmentOfApi(
        c,
        'DATABASE_URL: "postgres://taskapp:${POSTGRES_PASSWORD:?is not set}@db/taskdb"',
      ),
    [],
  ],
  [
    'a variable behind an anchor',
    (c) => {
      c.write('compose.yml', `x-secret: &pass \${POSTGRES_PASSWORD}\n${c.read('compose.yml')}`);
      environmentOfApi(c, 'ADMIN_PASSWORD: *pass');
    },
    [],
  ],
  [
    'the path of a key, a switch, and a public key',
    (c) => {
      environmentOfApi(c, 'TLS_KEY: /run/secrets/key');
      environmentOfApi(c, 'ASK_PASSWORD: "false"');
      environmentOfApi(c, 'SIGNING_PUBLIC_KEY: AAAAC3NzaC1lZDI1NTE5');
    },
    [],
  ],
  [
    'a file that git ignores',
    (c) => {
      append(c, '.gitignore', '*.local');
      add(c, 'notes.local', secret);
    },
    [],
  ],
  [
    'a .env that was in git once, with a password that is no longer used',
    (c) => committedOnce(c, 'api/.env', 'DB_PASS=Older6password\n'),
    [],
  ],
  [
    'a word of every text as the password',
    (c) => {
      c.edit('.env', secret, 'docker');
      append(c, 'README.md', 'With docker, or docker compose. A password for docker is in .env.');
    },
    [],
  ],
  [
    'a schema that pg_dump has made, as an init file',
    (c) =>
      add(
        c,
        'db/init/02_more.sql',
        '--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE more ();\n',
      ),
    [],
  ],
  [
    'services of another tool',
    (c) =>
      add(
        c,
        '.gitlab-ci.yml',
        'services:\n  - postgres:17\nvariables:\n  POSTGRES_PASSWORD: test\n',
      ),
    [],
  ],
  [
    'a default for development that production resets',
    (c) => {
      c.write(
        'compose.yml',
        c.read('compose.yml').replaceAll('${POSTGRES_PASSWORD}', `\${POSTGRES_PASSWORD:-${word}}`),
      );
      c.editService(
        'api',
        '    deploy',
        '    environment: { DB_PASS: !reset null }\n    deploy',
        'compose.prod.yml',
      );
      c.editService(
        'db',
        '    deploy',
        '    environment: { POSTGRES_PASSWORD: !reset null }\n    deploy',
        'compose.prod.yml',
      );
    },
    [],
  ],
];

describe.skipIf(inject('notRunBecause')).concurrent('the secrets of a stack', () => {
  it.for([...wrong, ...right])('%s', async ([, change, failed], { expect, onTestFinished }) => {
    const course = new Course();
    onTestFinished(() => rmSync(course.directory, { recursive: true }));
    setPassword(course, secret);
    change(course);
    commit(course);
    expect(differences(await course.check({ only }), failed)).toEqual([]);
  });

  it('have no verdict where there is no Compose file', async ({ expect, onTestFinished }) => {
    const course = new Course();
    onTestFinished(() => rmSync(course.directory, { recursive: true }));
    for (const file of ['compose.yml', 'compose.override.yml', 'compose.prod.yml'])
      rmSync(join(course.directory, file));
    const { results } = await course.check({ only: ['config.no-password'] });
    expect(results[0]).toMatchObject({ outcome: 'not run', reason: 'there is no Compose file' });
  });
});
