import type { Check } from '../check.ts';
import { api } from './api.ts';
import { compose } from './compose.ts';
import { config } from './config.ts';
import { database } from './database.ts';
import { files } from './files.ts';
import { health } from './health.ts';
import { network } from './network.ts';
import { operations } from './operations.ts';
import { prod } from './prod.ts';
import { volumes } from './volumes.ts';

/** Every check, group by group. */
export const checks: Check[] = [
  ...files,
  ...compose,
  ...health,
  ...network,
  ...volumes,
  ...config,
  ...api,
  ...database,
  ...prod,
  ...operations,
];
