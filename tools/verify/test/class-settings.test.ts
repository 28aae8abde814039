// What the copy of a submission gets: passwords, a repository, a fingerprint. Nothing needs Docker.
import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { environment } from '../class/environment.ts';
import { FencedProject } from '../class/fenced-project.ts';
import { limits } from '../class/limits.ts';
import { laySettings } from '../class/settings.ts';
import { makeWorkTree } from '../class/work-tree.ts';
import type { Model } from '../model.ts';
import { folder } from './folder.ts';
import { root } from './root.ts';

describe('the passwords of a copy', () => {
  const compose = 'services: { db: { environment: { POSTGRES_PASSWORD: "${DB_PASS}" } } }\n';

  /** The note on the settings of a submission with these files, and the settings themselves. */
  function settingsOf(example: string, files: Record<string, string> = {}) {
    const directory = folder({ 'compose.yml': compose, '.env.example': example, ...files });
    const [note = ''] = laySettings(directory);
    const lines = readFileSync(join(directory, '.env'), 'latin1').trimEnd().split('\n');
    const pairs = lines.map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')]);
    return { note, settings: Object.fromEntries(pairs) as Record<string, string> };
  }

  it('are its own, of the same form as those of the example', () => {
    const { note, settings } = settingsOf('DB_USER=taskapp\nDB_PASS="Change-me_7"  # a comment\n');
    expect(note).toBe('.env was copied from .env.example, with new values for DB_PASS');
    expect(settings.DB_USER).toBe('taskapp');
    expect(settings.DB_PASS).toMatch(/^"[A-Z][a-z]{5}-[a-z]\d_\d"  # a comment$/);
    expect(settings.DB_PASS).not.toContain('Change-me_7');
  });

  it('are still hexadecimal where they were', () => {
    const { settings } = settingsOf('SECRET_KEY=00112233445566778899aabbccddeeff\n');
    expect(settings.SECRET_KEY).toMatch(/^[0-9a-f]{32}$/);
    expect(settings.SECRET_KEY).not.toBe('00112233445566778899aabbccddeeff');
  });

  it('are the same in an address', () => {
    const url = 'URL=postgres://taskapp:change-me@db/taskdb';
    const { settings } = settingsOf(`DB_PASS=change-me\n${url}\n`);
    expect(settings.DB_PASS).not.toBe('change-me');
    expect(settings.URL).toBe(url.slice(4).replace('change-me', settings.DB_PASS ?? ''));
  });

  it.each([
    ['a document', 'README.md', 'cp .env.example .env; the password is change-me'],
    ['what Git ignores', '.gitignore', '.env\n!.env.example\n'],
  ])('are its own whatever %s says', (_what, path, text) => {
    const { settings } = settingsOf('DB_PASS=change-me\n', { [path]: text });
    expect(settings.DB_PASS).not.toBe('change-me');
  });

  // Each of these works with the example only, or with a password that is changed in both places.
  it.each([
    ['an init file', { 'db/init/1.sql': "CREATE USER api PASSWORD 'change-me';" }],
    ['the source', { 'api/app.py': "getenv('DB_PASS', 'change-me')" }],
    ['a default', { 'compose.override.yml': '# ${OTHER_PASS:-change-me}' }],
    ['a file with a secret', { 'secrets/db.txt': 'change-me\n' }],
    ['an image that uses the example', { 'api/Dockerfile': 'COPY .env.example .env' }],
  ])('stay as they are if they are also in %s', (_what, files) => {
    const { note, settings } = settingsOf('DB_PASS=change-me\n', files);
    expect(settings.DB_PASS).toBe('change-me');
    expect(note).toBe('.env was copied from .env.example');
  });

  it.each(['URL=postgres://app:app@db/app', 'DB_PASS=${OTHER}', 'DB_PASS=p\u00E4ss', 'DB_PASS=x'])(
    'stay as they are in %s',
    (line) => {
      const { settings } = settingsOf(`${line}\n`);
      expect(Object.entries(settings)[0]?.join('=')).toBe(Buffer.from(line).toString('latin1'));
    },
  );

  it('are in a file that differs from the example', () => {
    const directory = folder({ '.env.example': 'A=1' });
    laySettings(directory);
    expect(readFileSync(join(directory, '.env'), 'utf8')).toMatch(/^A=1\n# .*[0-9a-f]{12}\n$/);
  });
});

describe('the repository of a copy', () => {
  const env = environment(process.env, tmpdir());
  const git = (directory: string, ...args: string[]) =>
    execFileSync('git', args, { cwd: directory, env, encoding: 'utf8' });
  const addable = (directory: string) =>
    git(directory, 'ls-files', '--others', '--exclude-standard').split('\n').filter(Boolean);

  it('is made where there is none', async () => {
    const directory = folder({ '.gitignore': '.env\n', '.env': 'A=1', 'notes.txt': '' });
    await makeWorkTree(directory, env);
    expect(addable(directory)).toEqual(['.gitignore', 'notes.txt']);
  });

  it('is made where it is broken', async () => {
    const directory = folder({ '.git/HEAD': 'nonsense', 'notes.txt': '' });
    await makeWorkTree(directory, env);
    expect(addable(directory)).toEqual(['notes.txt']);
  });

  it('is left as it is where it works', async () => {
    const directory = folder({ 'notes.txt': '' });
    git(directory, 'init', '--quiet');
    git(directory, 'add', '.');
    await makeWorkTree(directory, env);
    expect(git(directory, 'ls-files')).toBe('notes.txt\n');
  });
});

describe('the fingerprint of a copy', () => {
  it('changes with the code of a check, and not with its tests', () => {
    const program = folder();
    const verify = join(program, 'tools/verify');
    cpSync(join(root, 'tools/verify'), verify, { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(program, 'node_modules')); // its texts are YAML
    const copy = folder({ 'compose.yml': 'services: {}' });
    const script = [
      `import { fingerprintOf } from '${join(verify, 'class/submissions.ts')}';`,
      `process.stdout.write(fingerprintOf('${copy}', ''));`,
    ].join('\n');
    const fingerprint = () =>
      execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
        encoding: 'utf8',
      });
    const before = fingerprint();
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    appendFileSync(join(verify, 'test/root.ts'), '// changed\n');
    writeFileSync(join(verify, 'checks/new.test.ts'), '');
    expect(fingerprint()).toBe(before);
    appendFileSync(join(verify, 'web.ts'), '// changed\n');
    expect(fingerprint()).not.toBe(before);
  });
});

describe('the containers of a copy', () => {
  const project = () => {
    const directory = folder();
    return new FencedProject({ directory, mounted: directory, model: '', name: 'verify-x' });
  };

  it('are known by the image that was built, not by one of the machine', () => {
    const services = { web: { image: 'nginx:1', build: { context: '.' } }, db: { image: 'db:1' } };
    const model: Model = { name: 'x', services };
    const names = Object.keys(services).map((name) => project().imageName(model, name));
    expect(names).toEqual(['verify-x/web:judged', 'db:1']);
  });

  it('may be tried in pairs, with one that answers, however many they are', async () => {
    const path = process.env.PATH;
    process.env.PATH = `${join(import.meta.dirname, 'arguments')}:${path}`;
    onTestFinished(() => void (process.env.PATH = path));
    const tryAll = (count: number) => {
      const list = Array.from({ length: count }, (_, n) => [`s${n}`, { image: 'x' }]);
      const input = JSON.stringify({ services: Object.fromEntries(list) as object });
      return project().docker(['compose', '-f', '-', 'up', '--no-start'], { input });
    };
    const most = 2 * limits.containers + 1;
    expect((await tryAll(most)).stdout.toString()).toContain(`s${most - 1}`);
    await expect(tryAll(most + 1)).rejects.toThrow(`${most + 1} containers`);
  });
});
