// The health checks of a stack: which there are, and how long they may take.
import { allContainers, imageOf } from './containers.ts';
import { composeModel } from './compose.ts';
import { type Container, type HealthCheck, lasting, type Service } from './model.ts';
import type { Project } from './project.ts';

/** The services that run all the time, each with its health check; undefined if it has none. */
export function allHealthChecks(project: Project): Promise<[string, HealthCheck | undefined][]> {
  return project.once('health checks', async () => {
    const services = lasting(await composeModel(project));
    return Promise.all(
      services.map(async ([name, service]): Promise<[string, HealthCheck | undefined]> => [
        name,
        await healthCheckOf(project, name, service),
      ]),
    );
  });
}

/** True if Compose says that there is no check, whatever the image says. */
export const isOff = ({ disable, test }: NonNullable<Service['healthcheck']>): boolean =>
  disable === true || test?.[0] === 'NONE';

/** The health check in effect: what Compose says comes before what the image says. */
async function healthCheckOf(
  project: Project,
  name: string,
  { healthcheck = {} }: Service,
): Promise<HealthCheck | undefined> {
  if (isOff(healthcheck)) return undefined;
  if (healthcheck.test) return healthcheck;
  const { Healthcheck: ofImage } = (await imageOf(project, name)).Config;
  if (!ofImage?.Test || ofImage.Test[0] === 'NONE') return undefined;
  // In an image, zero means "not set". Compose would read its dollars as variables.
  return {
    test: ofImage.Test.map((word) => word.replaceAll('$', '$$$$')),
    ...(ofImage.Interval && { interval: ofImage.Interval }),
    ...(ofImage.Timeout && { timeout: ofImage.Timeout }),
    ...(ofImage.Retries && { retries: ofImage.Retries }),
    ...healthcheck,
  };
}

const longestMs = 300_000; // an interval of a day is no reason to wait for a day

/** How long a container may take to become healthy or unhealthy, by its own health check. */
export function patienceWith({ Config: { Healthcheck } }: Container): number {
  if (!Healthcheck) return 0;
  const { Interval, Timeout, StartPeriod, StartInterval, Retries } = Healthcheck;
  const ms = (nanoseconds: number | undefined, byDefault: number) =>
    (nanoseconds ?? 0) / 1e6 || byDefault;
  const tries = (Retries || 3) * (ms(Interval, 30_000) + ms(Timeout, 30_000));
  // The last try of the start may begin just before its end.
  const start = StartPeriod ? ms(StartPeriod, 0) + ms(StartInterval, 5_000) : 0;
  return Math.min(longestMs, start + tries);
}

/** The longest of these times, for all containers of the project. */
export async function patience(project: Project): Promise<number> {
  const containers = await allContainers(project);
  return Math.max(0, ...containers.map(patienceWith));
}
