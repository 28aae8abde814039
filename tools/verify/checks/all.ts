import type { Check } from '../check.ts';
import { api } from './api.ts';
import { apiChanges } from './api-changes.ts';
import { apiErrors } from './api-errors.ts';
import { apiIds } from './api-ids.ts';
import { compose } from './compose.ts';
import { config } from './config.ts';
import { configPrivileged } from './config-privileged.ts';
import { configSecrets } from './config-secrets.ts';
import { database } from './database.ts';
import { databaseSeed } from './database-seed.ts';
import { files } from './files.ts';
import { filesInGit } from './files-git.ts';
import { health } from './health.ts';
import { healthChecks } from './health-checks.ts';
import { healthOutage } from './health-outage.ts';
import { network } from './network.ts';
import { operations } from './operations.ts';
import { prod } from './prod.ts';
import { prodDebug } from './prod-debug.ts';
import { prodPasswords } from './prod-passwords.ts';
import { volumes } from './volumes.ts';

/** Every check, group by group. */
export const checks: Check[] = [
  ...files,
  ...filesInGit,
  ...compose,
  ...healthChecks,
  ...health,
  ...healthOutage,
  ...network,
  ...volumes,
  ...config,
  configPrivileged,
  ...configSecrets,
  ...api,
  ...apiChanges,
  ...apiErrors,
  ...apiIds,
  ...database,
  databaseSeed,
  ...prod,
  prodDebug,
  prodPasswords,
  ...operations,
];
