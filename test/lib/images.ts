// Builds the images of the repository once for all stacks of a run, before the first of them.
import { execFileSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { root } from './copy.ts';
import { engineFault } from './engine.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** What the names of the images begin with: it is followed by -web, -api and -api:dev. */
    images: string;
  }
}

/** Whether the image is here, or can be pulled; `.ci/images` makes it where there is no registry. */
export function has(image: string): boolean {
  const works = (...args: string[]) => {
    try {
      execFileSync('docker', args, { stdio: 'pipe' });
      return true;
    } catch {
      return false;
    }
  };
  return works('image', 'inspect', image) || works('pull', '--quiet', image);
}

const variable = 'TASKAPP_TEST_IMAGES'; // set while one project has made them for all

function build(project: string): void {
  const compose = (...args: string[]) =>
    execFileSync('docker', ['compose', '-p', project, '-f', 'compose.yml', ...args], {
      cwd: root,
      env: { ...process.env, COMPOSE_DISABLE_ENV_FILE: '1' },
      stdio: 'pipe',
    });
  compose('build');
  compose('-f', 'compose.override.yml', 'build', 'api');
}

export default function setup({ provide }: TestProject): (() => void) | undefined {
  const made = process.env[variable] ?? '';
  provide('images', made);
  if (made || engineFault()) return undefined;

  const project = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  build(project);
  process.env[variable] = project;
  provide('images', project);
  return () => {
    delete process.env[variable];
    const names = ['web', 'api', 'api:dev'].map((name) => `${project}-${name}`);
    execFileSync('docker', ['image', 'rm', '--force', ...names], { stdio: 'pipe' });
  };
}
