import { defineConfig } from 'vitest/config';

const onTheEngine = {
  globalSetup: ['test/lib/engine.ts'],
  fileParallelism: false, // the machine has one engine, and the stacks use its ports
  testTimeout: 120_000,
  hookTimeout: 300_000, // the first one builds the images
};

export default defineConfig({
  test: {
    reporters: ['verbose'],
    projects: [
      {
        test: {
          name: 'api',
          include: ['api/test/**/*.test.ts', 'local/*.test.ts'],
          globalSetup: 'api/test/database.ts',
          testTimeout: 15_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'stack',
          include: ['test/stack/*.test.ts'],
          ...onTheEngine,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'verify',
          include: ['tools/verify/test/*.test.ts'],
          ...onTheEngine,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/*.test.ts'],
          ...onTheEngine,
          globalSetup: ['test/lib/engine.ts', 'test/faults/figures.ts'],
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/*.test.ts'],
          ...onTheEngine,
          globalSetup: ['test/lib/engine.ts', 'test/browser/chromium.ts'],
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
