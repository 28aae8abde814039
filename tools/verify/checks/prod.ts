import { type Check, snippet } from '../check.ts';
import { faultsOfAttempt } from '../errors.ts';
import { isPinned } from '../images.ts';
import { lasting } from '../model.ts';
import { productionModel } from '../compose.ts';
import { defaultPasswords, isSecret } from '../published.ts';

const model: Check = {
  id: 'prod.model',
  title: 'There is a Compose file for production, and Compose can read it over the base',
  chapter: 'Production patterns',
  points: 2,
  why:
    'Production differs: limits, versions, no open ports. ' +
    'Write down what differs, and nothing else.',
  fix: snippet`
    # compose.prod.yml
    docker compose -f compose.yml -f compose.prod.yml config --quiet    # names the line at fault
  `,
  run: (project) => faultsOfAttempt(productionModel(project)),
};

const limits: Check = {
  id: 'prod.limits',
  title: 'Every service has a memory limit and a CPU limit in production',
  chapter: 'Production patterns',
  points: 3,
  why:
    'Without limits, one service with a leak takes all the memory, ' +
    'and the kernel kills whichever process it likes.',
  fix: snippet`
    deploy:
      resources:
        limits: { cpus: "0.50", memory: 256M }
  `,
  async run(project) {
    const faults: string[] = [];
    for (const [name, service] of lasting(await productionModel(project))) {
      const { deploy, mem_limit, cpus, profiles = [] } = service;
      if (profiles.length > 0) continue; // runs only when somebody asks for it
      const set = deploy?.resources?.limits ?? {};
      if (!(set.memory ?? mem_limit)) faults.push(`${name} has no memory limit`);
      if (!(set.cpus ?? cpus)) faults.push(`${name} has no CPU limit`);
    }
    return faults;
  },
};

const images: Check = {
  id: 'prod.images',
  title: 'No image in production is latest, including those built here',
  chapter: 'CI/CD and tags',
  points: 2,
  why: 'With latest, nobody can tell what runs, or go back to what ran before.',
  fix: 'image: ghcr.io/me/taskapp-api:${TAG:?is not set}',
  async run(project) {
    const faults: string[] = [];
    for (const [name, { image }] of Object.entries((await productionModel(project)).services))
      if (image !== undefined && !isPinned(image)) faults.push(`${name} runs ${image}`);
    return faults;
  },
};

const ports: Check = {
  id: 'prod.ports',
  title: 'Neither api nor db is published in production',
  chapter: 'Production patterns',
  points: 2,
  why:
    'The ports of development bypass nginx, ' +
    'and everybody with a login on the server can reach 127.0.0.1.',
  fix: 'Publish them in compose.override.yml only: production does not load it.',
  async run(project) {
    const { services } = await productionModel(project);
    const faults: string[] = [];
    for (const name of ['api', 'db']) {
      const published = services[name]?.ports?.map((port) => port.published) ?? [];
      if (published.length > 0) faults.push(`${name} publishes ${published.join()}`);
    }
    return faults;
  },
};

const source: Check = {
  id: 'prod.source',
  title: 'Production runs what is in the image: no source is mounted into api',
  chapter: 'Production patterns',
  points: 2,
  why: 'A mounted directory changes under the running service, whose version then says nothing.',
  fix: 'Mount the source in compose.override.yml only: production does not load it.',
  async run(project) {
    const { volumes = [] } = (await productionModel(project)).services.api ?? {};
    const mounts = volumes.filter(({ type }) => type === 'bind');
    return mounts.map((mount) => `${mount.source} is mounted at ${mount.target}`);
  },
};

const passwords: Check = {
  id: 'prod.passwords',
  title: 'No service in production has a password that is a default of the Compose files',
  chapter: 'Environment and secrets',
  points: 2,
  why: 'Everybody who can read the repository knows the defaults.',
  fix: snippet`
    POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?is not set}
    # or a file:
    POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password
  `,
  async run(project) {
    const known = defaultPasswords(project);
    const { services } = await productionModel(project);
    const faults: string[] = [];
    for (const [service, { environment = {} }] of Object.entries(services)) {
      for (const [name, value] of Object.entries(environment))
        if (isSecret(name) && value !== null && known.has(value))
          faults.push(`${name} of ${service} is a default`);
    }
    return faults;
  },
};

export const prod: Check[] = [model, limits, images, ports, source, passwords];
