import { type Check, NotPossible } from '../check.ts';
import { lasting, type Service, type Tier, tiers } from '../model.ts';
import type { Project } from '../project.ts';

const restartPolicy = ({ restart, deploy }: Service): string | undefined => {
  const { condition } = deploy?.restart_policy ?? {};
  return restart ?? (condition === 'any' ? 'always' : condition);
};

async function waitsFor(project: Project, name: Tier, needed: Tier): Promise<string[]> {
  const condition = (await project.service(name)).depends_on?.[needed]?.condition;
  if (condition === 'service_healthy') return [];
  return [
    condition === undefined
      ? `${name} does not depend on ${needed}`
      : `${name} waits for ${needed} by ${condition}`,
  ];
}

export const compose: Check[] = [
  {
    id: 'compose.model',
    title: 'docker compose can read the files, and they define the services web, api and db',
    chapter: 'Compose basics',
    points: 2,
    why: 'The other checks look at the model that Compose makes of these files.',
    fix: 'docker compose config --quiet    # names the line at fault\nservices:\n  web: …\n  api: …\n  db: …',
    run: async (project) => {
      const model = await project.model().catch((error: unknown) => {
        if (error instanceof NotPossible) return error.message;
        throw error;
      });
      if (typeof model === 'string') return [model];
      return tiers
        .filter((name) => !(name in model.services))
        .map((name) => `no service ${name}, but ${Object.keys(model.services).join(', ')}`);
    },
  },
  {
    id: 'compose.variables',
    title: 'Every variable in the Compose files has a value',
    chapter: 'Environment and secrets',
    points: 1,
    why: 'Compose only warns about a variable that is not set, and uses an empty text: an empty password, for example.',
    fix: 'cp .env.example .env    # and edit it\n${NAME:-default}        # or: a default\n${NAME:?is not set}     # or: no start without a value',
    run: async (project) => {
      const { complaints } = await project.resolved();
      return [
        ...new Set(
          [...complaints.matchAll(/"?(\w+)\\?" variable is not set/g)].map(
            ([, name]) => `${name} is not set`,
          ),
        ),
      ];
    },
  },
  {
    id: 'compose.depends-api',
    title: 'api starts once db is healthy',
    chapter: 'Service configuration',
    points: 2,
    why: 'A plain list of names only waits for the container: PostgreSQL may still be initialising when the API connects.',
    fix: 'api:\n  depends_on:\n    db:\n      condition: service_healthy',
    run: (project) => waitsFor(project, 'api', 'db'),
  },
  {
    id: 'compose.depends-web',
    title: 'web starts once api is healthy',
    chapter: 'Service configuration',
    points: 2,
    why: 'Otherwise nginx exits because it cannot resolve the name api, or it answers 502 at first.',
    fix: 'web:\n  depends_on:\n    api:\n      condition: service_healthy',
    run: (project) => waitsFor(project, 'web', 'api'),
  },
  {
    id: 'compose.restart',
    title: 'Every service restarts after a crash and after a reboot',
    chapter: 'Service configuration',
    points: 2,
    why: 'The default is "no": what crashes at night stays down until somebody notices. on-failure does not start it after a reboot.',
    fix: 'restart: unless-stopped',
    run: async (project) =>
      lasting(await project.model()).flatMap(([name, service]) => {
        const policy = restartPolicy(service);
        return policy === 'unless-stopped' || policy === 'always'
          ? []
          : [`${name} has ${policy === undefined ? 'no restart policy' : `restart: ${policy}`}`];
      }),
  },
  {
    id: 'compose.logging',
    title: 'The logs of every service are limited in size',
    chapter: 'Service configuration',
    points: 2,
    why: 'Without a limit they fill the disk, and a full disk stops the database.',
    fix: 'logging:\n  driver: json-file\n  options: { max-size: 10m, max-file: "3" }',
    run: async (project) =>
      lasting(await project.model()).flatMap(
        ([name, { logging: { driver, options = {} } = {} }]) => {
          if (driver === undefined) return [`${name} has no logging section`];
          if (driver !== 'json-file') return []; // local has limits by itself; others keep nothing on this disk
          return ['max-size', 'max-file']
            .filter((option) => !(option in options))
            .map((option) => `${name} logs without ${option}`);
        },
      ),
  },
];
