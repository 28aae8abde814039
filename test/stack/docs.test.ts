// What the documents tell people to type. .ci/readme checks that it works.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../lib/copy.ts';

const read = (file: string) => readFileSync(join(root, file), 'utf8');
const filesLike = (...patterns: string[]) =>
  execFileSync('git', ['ls-files', ...patterns], { cwd: root })
    .toString()
    .trim()
    .split('\n');

describe('the documents', () => {
  const documents = filesLike('*.md', '*.example');

  it('link to files, headings and lines that are there', () => {
    const anchor = (heading: string) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
    // Of a file that is no document, the number of a line.
    const anchorsOf = (file: string) =>
      file.endsWith('.md')
        ? [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchor(heading))
        : read(file)
            .split('\n')
            .map((_, index) => `L${String(index + 1)}`);
    const broken = filesLike('*.md').flatMap((document) =>
      [...read(document).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(
        ([, path = '', heading]) => {
          const file = path ? join(dirname(document), path) : document;
          if (!existsSync(join(root, file))) return true;
          return heading !== undefined && !anchorsOf(file).includes(heading);
        },
      ),
    );
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it('use curl so that it says why nothing came', () => {
    const files = [...documents, ...filesLike('scripts/*', '*.ts')];
    const silent = files.filter((file) => /\bcurl -s(?!S)\b/.test(read(file)));
    expect(silent).toEqual([]);
  });

  it('keep secrets out of the arguments of commands, which everybody can read', () => {
    const shown = documents.flatMap(
      (file) => read(file).match(/^.* "[^"]*\$\(cat secrets\/.*$/gm) ?? [],
    );
    expect(shown).toEqual([]);
  });

  it('set only statuses that the first tasks and the page have', () => {
    const statuses = [...read('README.md').matchAll(/"status":"(\w+)"/g)].map(
      ([, status]) => status,
    );
    expect(statuses).not.toEqual([]);
    const seed = read('db/init/03_seed_data.sql');
    for (const status of statuses) expect(seed).toContain(`'${status}'`);
  });

  it('make an .env that others cannot read', () => {
    const copies = documents.flatMap(
      (file) => read(file).match(/cp \.env\.example \.env\b.*/g) ?? [],
    );
    expect(copies).not.toEqual([]);
    for (const copy of copies) expect(copy).toMatch(/^cp \S+ \.env && chmod 600 \.env\b/);
  });

  it('name what keeps a second clone apart', () => {
    for (const file of ['README.md', '.env.example'])
      expect(read(file)).toContain('COMPOSE_PROJECT_NAME');
    expect(read('README.md')).toContain('`project name must not be empty`');
  });

  it('name the causes that cost nothing before the command that deletes', () => {
    const row = /^\| `container …-db-1 is unhealthy`.*$/m.exec(read('README.md'))?.[0] ?? '';
    const causes = ['check-health.sh', 'POSTGRES_DB', 'POSTGRES_USER', 'DB_USER', 'down -v'];
    const places = causes.map((cause) => row.indexOf(cause));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  it.each(['README.md', 'docs/labs.md'])('%s says how a change of the schema gets in', (file) => {
    expect(read(file)).toContain('docker compose run --rm migrate');
  });
});
