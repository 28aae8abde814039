import { type Check, NotPossible } from '../check.ts';
import { isPinned } from '../images.ts';
import { lasting } from '../model.ts';
import { isSecret, reserved } from '../published.ts';

export const prod: Check[] = [
  {
    id: 'prod.model',
    title: 'There is a Compose file for production, and Compose can read it over the base',
    chapter: 'Production patterns',
    points: 2,
    why: 'Production differs: limits, versions, no open ports. Write down what differs, and nothing else.',
    fix: '# compose.prod.yml\ndocker compose -f compose.yml -f compose.prod.yml config --quiet    # names the line at fault',
    run: (project) =>
      project.production().then(
        () => [],
        (error: unknown) => {
          if (error instanceof NotPossible) return [error.message];
          throw error;
        },
      ),
  },
  {
    id: 'prod.limits',
    title: 'Every service has a memory limit and a CPU limit in production',
    chapter: 'Production patterns',
    points: 3,
    why: 'Without limits, one service with a leak takes all the memory, and the kernel kills whichever process it likes.',
    fix: 'deploy:\n  resources:\n    limits: { cpus: "0.50", memory: 256M }',
    run: async (project) =>
      lasting(await project.production()).flatMap(
        ([name, { deploy, mem_limit, cpus, profiles = [] }]) => {
          if (profiles.length > 0) return []; // runs when it is asked for only
          const limits = deploy?.resources?.limits ?? {};
          return [
            ...((limits.memory ?? mem_limit) ? [] : [`${name} has no limit of memory`]),
            ...((limits.cpus ?? cpus) ? [] : [`${name} has no limit of CPU`]),
          ];
        },
      ),
  },
  {
    id: 'prod.images',
    title: 'No image in production is latest, including those built here',
    chapter: 'CI/CD and tags',
    points: 2,
    why: 'With latest, nobody can tell what runs, or go back to what ran before.',
    fix: 'image: ghcr.io/me/taskapp-api:${TAG:?is not set}',
    run: async (project) =>
      Object.entries((await project.production()).services).flatMap(([name, { image }]) =>
        image === undefined || isPinned(image) ? [] : [`${name} runs ${image}`],
      ),
  },
  {
    id: 'prod.ports',
    title: 'Neither api nor db is published in production',
    chapter: 'Production patterns',
    points: 2,
    why: 'The ports of development bypass nginx, and everybody with a login on the server can reach 127.0.0.1.',
    fix: 'Publish them in compose.override.yml only: production does not load it.',
    run: async (project) => {
      const { services } = await project.production();
      return ['api', 'db']
        .filter((name) => (services[name]?.ports ?? []).length > 0)
        .map(
          (name) =>
            `${name} publishes ${services[name]?.ports?.map(({ published }) => published).join()}`,
        );
    },
  },
  {
    id: 'prod.source',
    title: 'Production runs what is in the image: no source is mounted into api',
    chapter: 'Production patterns',
    points: 2,
    why: 'A mounted directory changes under the running service, whose version then says nothing.',
    fix: 'Mount the source in compose.override.yml only: production does not load it.',
    run: async (project) => {
      const { volumes = [] } = (await project.production()).services.api ?? {};
      return volumes
        .filter(({ type }) => type === 'bind')
        .map(({ source, target }) => `${source} is mounted at ${target}`);
    },
  },
  {
    id: 'prod.passwords',
    title: 'No service in production has a password that is a default of the Compose files',
    chapter: 'Environment and secrets',
    points: 2,
    why: 'Everybody who can read the repository knows the defaults.',
    fix: 'POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?is not set}\n# or a file:\nPOSTGRES_PASSWORD_FILE: /run/secrets/postgres_password',
    run: async (project) => {
      const known = reserved(project);
      return Object.entries((await project.production()).services).flatMap(
        ([service, { environment = {} }]) =>
          Object.entries(environment)
            .filter(([name, value]) => isSecret(name) && value !== null && known.has(value))
            .map(([name]) => `${name} of ${service}`),
      );
    },
  },
];
