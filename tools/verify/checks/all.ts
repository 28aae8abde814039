import type { Check, Definition } from '../check.ts';
import { textsOf } from '../texts.ts';
import { check as apiCreate } from './api/create.ts';
import { check as apiDelete } from './api/delete.ts';
import { check as apiGet } from './api/get.ts';
import { check as apiIndex } from './api/index.ts';
import { check as apiList } from './api/list.ts';
import { check as apiMissingTitle } from './api/missing-title.ts';
import { check as apiNotJson } from './api/not-json.ts';
import { check as apiText } from './api/text.ts';
import { check as apiUnknownId } from './api/unknown-id.ts';
import { check as apiUnknownPath } from './api/unknown-path.ts';
import { check as apiUpdate } from './api/update.ts';
import { check as apiWrongId } from './api/wrong-id.ts';
import { check as composeDependsApi } from './compose/depends-api.ts';
import { check as composeDependsWeb } from './compose/depends-web.ts';
import { check as composeLogging } from './compose/logging.ts';
import { check as composeModel } from './compose/model.ts';
import { check as composeRestart } from './compose/restart.ts';
import { check as composeVariables } from './compose/variables.ts';
import { check as configBaseImages } from './config/base-images.ts';
import { check as configEnvMode } from './config/env-mode.ts';
import { check as configImageSecrets } from './config/image-secrets.ts';
import { check as configImages } from './config/images.ts';
import { check as configNoPassword } from './config/no-password.ts';
import { check as configNonRoot } from './config/non-root.ts';
import { check as configOverride } from './config/override.ts';
import { check as configPrivileged } from './config/privileged.ts';
import { check as configSecretFiles } from './config/secret-files.ts';
import { check as databaseConstraints } from './database/constraints.ts';
import { check as databasePassword } from './database/password.ts';
import { check as databasePublishedPasswords } from './database/published-passwords.ts';
import { check as databaseSeed } from './database/seed.ts';
import { check as databaseStored } from './database/stored.ts';
import { check as databaseTable } from './database/table.ts';
import { check as filesCompose } from './files/compose.ts';
import { check as filesDocs } from './files/docs.ts';
import { check as filesEnvExample } from './files/env-example.ts';
import { check as filesEnvIgnored } from './files/env-ignored.ts';
import { check as filesLineEndings } from './files/line-endings.ts';
import { check as filesReadme } from './files/readme.ts';
import { check as filesSecretsIgnored } from './files/secrets-ignored.ts';
import { check as healthAnswers } from './health/answers.ts';
import { check as healthCanFail } from './health/can-fail.ts';
import { check as healthChecks } from './health/checks.ts';
import { check as healthDatabaseDown } from './health/database-down.ts';
import { check as healthHealthy } from './health/healthy.ts';
import { check as healthHealthz } from './health/healthz.ts';
import { check as healthNginx } from './health/nginx.ts';
import { check as healthNginxAlone } from './health/nginx-alone.ts';
import { check as healthRecovers } from './health/recovers.ts';
import { check as healthRunning } from './health/running.ts';
import { check as healthTiming } from './health/timing.ts';
import { check as healthUnhealthy } from './health/unhealthy.ts';
import { check as networkApiReachesDb } from './network/api-reaches-db.ts';
import { check as networkBack } from './network/back.ts';
import { check as networkFront } from './network/front.ts';
import { check as networkPublished } from './network/published.ts';
import { check as networkSeparate } from './network/separate.ts';
import { check as networkWebCannotReachDb } from './network/web-cannot-reach-db.ts';
import { check as operationsBackup } from './operations/backup.ts';
import { check as operationsBackupScript } from './operations/backup-script.ts';
import { check as operationsDownUp } from './operations/down-up.ts';
import { check as operationsReboot } from './operations/reboot.ts';
import { check as prodDebug } from './prod/debug.ts';
import { check as prodImages } from './prod/images.ts';
import { check as prodLimits } from './prod/limits.ts';
import { check as prodModel } from './prod/model.ts';
import { check as prodPasswords } from './prod/passwords.ts';
import { check as prodPorts } from './prod/ports.ts';
import { check as prodSource } from './prod/source.ts';
import { check as volumesData } from './volumes/data.ts';
import { check as volumesReadOnly } from './volumes/read-only.ts';

const definitions: Definition[] = [
  filesCompose,
  filesReadme,
  filesDocs,
  filesLineEndings,
  filesEnvExample,
  filesEnvIgnored,
  filesSecretsIgnored,
  composeModel,
  composeVariables,
  composeDependsApi,
  composeDependsWeb,
  composeRestart,
  composeLogging,
  healthChecks,
  healthTiming,
  healthCanFail,
  healthRunning,
  healthHealthy,
  healthAnswers,
  healthNginx,
  healthHealthz,
  healthDatabaseDown,
  healthUnhealthy,
  healthNginxAlone,
  healthRecovers,
  networkFront,
  networkBack,
  networkSeparate,
  networkApiReachesDb,
  networkWebCannotReachDb,
  networkPublished,
  volumesData,
  volumesReadOnly,
  configNoPassword,
  configEnvMode,
  configOverride,
  configImages,
  configBaseImages,
  configNonRoot,
  configPrivileged,
  configImageSecrets,
  configSecretFiles,
  apiIndex,
  apiList,
  apiCreate,
  apiText,
  apiUpdate,
  apiDelete,
  apiMissingTitle,
  apiNotJson,
  apiUnknownId,
  apiUnknownPath,
  apiGet,
  apiWrongId,
  databaseTable,
  databaseConstraints,
  databaseStored,
  databasePassword,
  databasePublishedPasswords,
  databaseSeed,
  prodModel,
  prodLimits,
  prodImages,
  prodPorts,
  prodSource,
  prodDebug,
  prodPasswords,
  operationsBackup,
  operationsBackupScript,
  operationsReboot, // keeps the containers
  operationsDownUp, // makes new ones, so it comes last
];

/** Every check, group by group, with its texts. */
export const checks: Check[] = definitions.map((one) => ({ ...one, ...textsOf(one.id) }));
