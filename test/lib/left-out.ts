import { globSync } from 'node:fs';
import { basename } from 'node:path';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { engineFault } from './engine.ts';
import { root } from './copy.ts';
import { kubectlFault } from './kubectl.ts';

/** Says at the end of a run what it left out, and how to run that. */
export class LeftOut implements Reporter {
  readonly #isAll: boolean;

  constructor({ isAll }: { isAll: boolean }) {
    this.#isAll = isAll;
  }

  #isPartial = false;

  onInit({ config }: Vitest): void {
    const names = process.argv.slice(3).filter((word) => !word.startsWith('-'));
    this.#isPartial = [...config.project, ...names, config.testNamePattern].some(Boolean);
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const fault = engineFault();
    const projects = new Set(modules.map(({ project }) => project.name));
    const needsEngine = [...projects].some((name) => !['api', 'kubernetes'].includes(name));
    if (fault && needsEngine) {
      console.warn(`\nSTACK NOT RUN: it needs a Docker Engine with Compose, and ${fault}`);
    }
    const noKubectl = kubectlFault();
    if (noKubectl && projects.has('kubernetes')) {
      console.warn(`\nKUBERNETES NOT RUN: ${noKubectl}`);
    }
    if (this.#isPartial) return;
    if (this.#isAll) {
      console.log(
        '\nNOT RUN: the long forms of npm run test:faults (20 minutes) and test:ha (12 minutes).',
      );
      return;
    }
    const run = new Set(modules.map(({ moduleId }) => moduleId));
    const files = globSync('{test,tools}/**/*.test.ts', { cwd: root, withFileTypes: true })
      .map(({ parentPath, name }) => `${parentPath}/${name}`)
      .filter((file) => !file.includes('/node_modules/') && !run.has(file));
    const names = [...new Set(files.map((file) => basename(file, '.test.ts')))].toSorted();
    console.log(`\nNOT RUN: ${names.join(', ')}. npm run test:all runs everything.`);
  }
}
