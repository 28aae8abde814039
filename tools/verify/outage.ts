// The database is stopped and started again, once for all checks that look at it.
import {
  databaseAnswers,
  fingerprint,
  healthyAgain,
  mayBeStopped,
  worksAgain,
} from './lifecycle.ts';
import type { Project } from './project.ts';

export interface Outage {
  /** Statuses; undefined where nothing was answered. */
  during: { healthz: number | undefined; nginx: number | undefined };
  /** What is wrong after the database was started again. */
  after: string[];
}

export function outage(project: Project): Promise<Outage> {
  return project.once('outage', async () => {
    await mayBeStopped(project);
    const before = await fingerprint(project);
    try {
      await project.compose(['stop', 'db'], { limitMs: 30_000 });
      await project.eventually(async () => (await project.status('/healthz')) === 503, 10_000);
      const during = {
        healthz: await project.status('/healthz'),
        nginx: await project.status('/nginx-health'),
      };
      await project.compose(['start', 'db'], { limitMs: 30_000 });
      if (!(await worksAgain(project, 30_000)))
        return {
          during,
          after: ['GET /healthz is not 200 again within 30 s after db was started'],
        };
      await databaseAnswers(project, 20_000);
      return {
        during,
        after:
          before === (await fingerprint(project)) ? [] : ['the tasks are not the same as before'],
      };
    } finally {
      await project.compose(['start', 'db'], { limitMs: 30_000 });
      // An API that does not recover by itself is helped, so that the stack is left as it was.
      if ((await project.status('/healthz')) !== 200)
        await project.compose(['restart', 'api'], { limitMs: 60_000 });
      await healthyAgain(project, 20_000);
    }
  });
}
