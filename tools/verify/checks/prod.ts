import { relative } from 'node:path';
import { type Check, snippet } from '../check.ts';
import { faultsOfAttempt, NotPossible } from '../errors.ts';
import { isPinned, workingDirectory } from '../images.ts';
import { always, type Service } from '../model.ts';
import { isProduction, productionModel } from '../compose.ts';
import { productionFile } from '../project-files.ts';
import { hasFilesOfProject } from '../git-files.ts';

const model: Check = {
  id: 'prod.model',
  title: 'Compose can read production: compose.prod.yml over the base, or the base alone',
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
    for (const [name, { deploy, mem_limit, cpus }] of always(await productionModel(project))) {
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
  fix: snippet`
    image: ghcr.io/me/taskapp-api:\${TAG:?is not set}
    # and in .env, for each release:
    TAG=1.0.0
  `,
  async run(project) {
    const faults: string[] = [];
    // Without a file for production, the labs build on the server what they run there.
    const mayBuild = !isProduction(project) && productionFile(project) === undefined;
    for (const [name, { image }] of Object.entries((await productionModel(project)).services)) {
      if (image === undefined && !mayBuild) faults.push(`${name} is built, and has no image: tag`);
      if (image !== undefined && !isPinned(image)) faults.push(`${name} runs ${image}`);
    }
    return faults;
  },
};

const ports: Check = {
  id: 'prod.ports',
  title: 'Nothing but web is published in production',
  chapter: 'Production patterns',
  points: 2,
  why:
    'The ports of development bypass nginx, ' +
    'and everybody with a login on the server can reach 127.0.0.1.',
  fix: snippet`
    # publish api and db in compose.override.yml only: production does not load it
    adminer:
      profiles: [debug]    # starts only when somebody asks for it
  `,
  async run(project) {
    const faults: string[] = [];
    const services = always(await productionModel(project));
    for (const [name, service] of services) {
      if (name === 'web') continue;
      const published = service.ports?.map((port) => port.published) ?? [];
      if (published.length > 0) faults.push(`${name} publishes ${published.join()}`);
      if (service.network_mode === 'host')
        faults.push(`${name} is in the network of the host, with all its ports`);
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
    const { api } = (await productionModel(project)).services;
    if (!api) throw new NotPossible('there is no service api');
    const { volumes = [] } = api;
    const faults: string[] = [];
    for (const { type, source: from = '', target } of volumes) {
      if (type !== 'bind' || !(await hasFilesOfProject(project, from))) continue;
      if (isSource(api, from, target)) faults.push(`${from} is mounted at ${target}`);
    }
    return faults;
  },
};

/** What the image is built from, and what lies where the program runs: not a setting elsewhere. */
function isSource({ build, working_dir }: Service, from: string, target: string): boolean {
  if (!build) return true;
  const directory = working_dir ?? workingDirectory(build);
  const { context } = build;
  return isWithin(from, context) || isWithin(context, from) || isWithin(target, directory);
}

const isWithin = (path: string, directory: string) =>
  !relative(directory, path).split('/').includes('..');

export const prod: Check[] = [model, limits, images, ports, source];
