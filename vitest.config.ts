import { defineConfig } from 'vitest/config';
import type { TestProjectConfiguration } from 'vitest/config';
import { canBeApart } from './test/browser/apart.ts';
import { engineFault } from './test/lib/engine.ts';
import { LeftOut } from './test/lib/left-out.ts';
import { LongestFirst } from './test/lib/longest-first.ts';
import { memoryDirectory } from './test/lib/memory.ts';

// What `npm test` runs: the API on a real PostgreSQL, the booted stack, the page, and the files
// that people edit. `npm run test:all` (--mode all) runs every file, but only the short form of the
// faults.
const quick = {
  stack: ['docs', 'env-examples', 'line-endings', 'macos', 'stack', 'swarm'],
  verify: [
    'class-reports',
    'class-rules',
    'class-settings',
    'command-line',
    'http',
    'labs',
    'texts',
  ],
  browser: ['page'],
};

// Groups of their own, one after the other:
const later = {
  // No request may fail. What runs beside it waits most of the time.
  releases: ['test/stack/releases.test.ts', 'test/stack/settings.test.ts'],
  certificates: ['test/stack/certificates.test.ts'], // no request may fail, for minutes
  upgrade: ['test/stack/upgrade.test.ts'], // no request may fail during an upgrade
  updates: ['test/stack/updates.test.ts'], // nor during an update
  schema: ['test/stack/schema.test.ts'], // no request may take a second
  class: ['tools/verify/test/class.test.ts'], // hostile submissions take all that they may
  graded: ['tools/verify/test/class-graded.test.ts'],
  provision: ['test/stack/provision.test.ts'], // installs packages in five containers at once
};
const isLater = Object.values(later).flat();

const onTheEngine = {
  globalSetup: ['test/lib/engine.ts', 'test/lib/images.ts'],
  testTimeout: 120_000,
  hookTimeout: 300_000,
  // A docker command for each look costs CPU time.
  expect: { poll: { interval: 200, timeout: 10_000 } },
};

const sideBySide = 3; // files at once on two cores: they wait more than they compute

export default defineConfig(({ mode }) => {
  const isAll = mode === 'all';
  const files = (directory: string, names: string[]) =>
    isAll ? [`${directory}/*.test.ts`] : names.map((name) => `${directory}/${name}.test.ts`);

  // One group after the other. Without an engine they are one: nothing changes the network then.
  const hasEngine = engineFault() === undefined;
  const group = (groupOrder: number, maxWorkers: number) =>
    hasEngine
      ? { sequence: { groupOrder }, maxWorkers }
      : { sequence: { groupOrder: 0 }, maxWorkers: sideBySide };

  const api: TestProjectConfiguration = {
    test: {
      name: 'api',
      include: ['api/test/**/*.test.ts', 'local/*.test.ts'],
      globalSetup: 'api/test/database.ts',
      env: { TMPDIR: memoryDirectory() },
      testTimeout: 30_000, // a drain takes 10 s
      ...group(0, sideBySide),
    },
  };
  const stack: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'stack',
      include: files('test/stack', quick.stack),
      exclude: isLater,
      ...group(1, sideBySide),
    },
  };
  // Needs no engine and no cluster, except for cluster.test.ts.
  const kubernetes: TestProjectConfiguration = {
    test: {
      name: 'kubernetes',
      include: ['test/kubernetes/*.test.ts'],
      testTimeout: 120_000,
      ...group(1, sideBySide),
    },
  };
  const verify: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'verify',
      include: [
        ...files('tools/verify/test', quick.verify),
        ...(isAll ? ['tools/verify/{checks,test/booted}/**/*.test.ts'] : []),
      ],
      exclude: isLater,
      globalSetup: ['test/lib/engine.ts'],
      ...group(1, sideBySide),
    },
  };
  const browser: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'browser',
      include: files('test/browser', quick.browser),
      globalSetup: [...onTheEngine.globalSetup, 'test/browser/chromium.ts'],
      env: { TMPDIR: memoryDirectory() },
      // A stack that starts changes the network, and Chromium then drops its requests.
      ...(canBeApart() ? group(1, sideBySide) : group(2, 1)),
    },
  };
  const slow = Object.entries(later).map(([name, include], n): TestProjectConfiguration => ({
    test: {
      ...onTheEngine,
      name,
      include,
      ...group(3 + n, include.length),
    },
  }));
  const faults: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'faults',
      include: ['test/faults/*.test.ts'],
      globalSetup: [...onTheEngine.globalSetup, 'test/faults/figures.ts'],
      ...group(3 + slow.length, 1),
    },
  };
  const ha: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'ha',
      include: ['test/ha/*.test.ts'],
      globalSetup: [...onTheEngine.globalSetup, 'test/faults/figures.ts'],
      ...group(4 + slow.length, 1),
    },
  };
  const swarm: TestProjectConfiguration = {
    test: {
      ...onTheEngine,
      name: 'swarm',
      include: ['test/swarm/*.test.ts'],
      globalSetup: [...onTheEngine.globalSetup, 'test/faults/figures.ts'],
      ...group(5 + slow.length, 1),
    },
  };

  return {
    test: {
      sequence: { sequencer: LongestFirst },
      reporters: ['verbose', new LeftOut({ isAll })],
      projects: isAll
        ? [api, stack, kubernetes, verify, browser, ...slow, faults, ha, swarm]
        : [api, stack, kubernetes, verify, browser],
    },
  };
});
