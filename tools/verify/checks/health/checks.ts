import { type Check, snippet } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { allHealthChecks, isOff } from '../../health-checks.ts';
import { always } from '../../model.ts';
import type { Project } from '../../project.ts';

export const check: Check = {
  id: 'health.checks',
  title: 'Every service has a health check',
  chapter: 'Health checks',
  points: 3,
  why:
    'Without one, Docker only knows that a service is running, ' +
    'and other services cannot wait until it works.',
  fix: snippet`
    db:
      healthcheck:
        test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $$POSTGRES_DB"]
  `,
  async run(project) {
    const missing = (await allHealthChecks(project)).filter(([, healthCheck]) => !healthCheck);
    const names = new Set(missing.map(([name]) => name));
    const off = (await offInProduction(project)).filter((name) => !names.has(name));
    return [
      ...[...names].map((name) => `${name} has no health check`),
      ...off.map((name) => `in production, ${name} has no health check`),
    ];
  },
};

/** The services whose health check production switches off. */
async function offInProduction(project: Project): Promise<string[]> {
  const production = await productionModel(project).catch(() => undefined);
  const services = production ? always(production) : [];
  return services.flatMap(([name, { healthcheck = {} }]) => (isOff(healthcheck) ? [name] : []));
}
