import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, measured on two cores. */
const longest = [
  'destructive',
  'point-in-time',
  'disasters',
  'running',
  'student-apis',
  'flask',
  'go',
  'api',
  'page',
  'backup',
  'overlays',
  'node',
  'edge',
  'cures',
  'containers',
  'operations',
  'production',
  'lab-to-production',
  'check-health',
  'monitoring',
  'signals',
  'course',
  'stack',
  'files',
  'view',
  'answers',
  'start',
  'server',
  'database-faults',
];

/** Starts these first, whatever project they are of: the last file then runs alone more briefly. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.indexOf(basename(moduleId, '.test.ts'));
      return place === -1 ? longest.length : place;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the method of vitest's class
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
