import { join } from 'node:path';

/** The root of this repository. */
export const root = join(import.meta.dirname, '../../..');
