import { defineConfig } from 'vitest/config';
import type { TestProjectConfiguration } from 'vitest/config';
import { LeftOut } from './test/lib/left-out.ts';

// What `npm test` runs: the API on a real PostgreSQL, the booted stack, the page, and the files that
// people edit. `npm run test:all` (--mode all) runs every file, but only the short form of the faults.
const quick = {
  stack: ['docs', 'env-examples', 'line-endings', 'macos', 'stack'],
  verify: ['class-reports', 'class-rules', 'command-line', 'http', 'labs'],
  browser: ['page'],
};

const provisioning = 'test/stack/provision.test.ts';

const onTheEngine = {
  globalSetup: ['test/lib/engine.ts'],
  maxWorkers: 1, // a stack that starts changes the network, and Chromium then drops its requests
  testTimeout: 120_000,
  hookTimeout: 300_000, // the first one builds the images
};

export default defineConfig(({ mode }) => {
  const isAll = mode === 'all';
  const files = (directory: string, names: string[]) =>
    isAll ? [`${directory}/*.test.ts`] : names.map((name) => `${directory}/${name}.test.ts`);

  const api: TestProjectConfiguration = {
    test: {
      name: 'api',
      include: ['api/test/**/*.test.ts', 'local/*.test.ts'],
      globalSetup: 'api/test/database.ts',
      testTimeout: 15_000,
      sequence: { groupOrder: 0 },
    },
  };
  const stack: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'stack',
      include: files('test/stack', quick.stack),
      exclude: [provisioning],
      sequence: { groupOrder: 1 },
    },
  };
  const provision: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'provision',
      include: [provisioning],
      sequence: { groupOrder: 2 },
    },
  };
  const verify: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'verify',
      include: files('tools/verify/test', quick.verify),
      sequence: { groupOrder: 1 },
    },
  };
  const browser: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'browser',
      include: files('test/browser', quick.browser),
      globalSetup: ['test/lib/engine.ts', 'test/browser/chromium.ts'],
      sequence: { groupOrder: 1 },
    },
  };
  const faults: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'faults',
      include: ['test/faults/*.test.ts'],
      globalSetup: ['test/lib/engine.ts', 'test/faults/figures.ts'],
      sequence: { groupOrder: 3 },
    },
  };

  return {
    test: {
      reporters: ['verbose', new LeftOut({ isAll })],
      projects: isAll
        ? [api, stack, verify, browser, provision, faults]
        : [api, stack, verify, browser],
    },
  };
});
