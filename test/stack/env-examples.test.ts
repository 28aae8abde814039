// Each line of a settings file is explained in an example. Needs no engine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../lib/copy.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');

it('every setting that a script writes is in an example', () => {
  const scripts = ['deploy.sh', 'make-secrets.sh', 'rotate-password.sh', 'upgrade-postgres.sh'];
  // In a pattern of sed or grep: ^TAG=, or \nTAG= for a new line. For write_settings: "TAG=$tag".
  const pattern = /(?:\^|\\n|"(?=(?:TAG|\w+_TAG|\w*POSTGRES_\w+)=\$\w))([A-Z_]+)=/g;
  const found = scripts.flatMap((name) => [...read(`scripts/${name}`).matchAll(pattern)]);
  const names = new Set(found.map(([, name]) => name));
  expect(names).toContain('PREVIOUS_TAG');
  expect(names).toContain('PREVIOUS_POSTGRES_MOUNT');
  const examples = read('.env.example') + read('.env.prod.example');
  const explained = new Set([...examples.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name));
  expect([...names].filter((name) => !explained.has(name))).toEqual([]);
});
