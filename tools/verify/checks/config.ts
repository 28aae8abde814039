import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Check, snippet } from '../check.ts';
import { runningContainer } from '../containers.ts';
import { NotApplicable } from '../errors.ts';
import { baseImages, isPinned } from '../images.ts';
import { leaksIn } from '../leaks.ts';
import { literalPasswords } from '../literals.ts';
import { type Tier, tiers } from '../model.ts';
import { defaultAndBase, wholeModel } from '../compose.ts';
import { type Process, processesOf } from '../processes.ts';
import { baseFile, envFileNames, overrideFile } from '../project-files.ts';

const noPassword: Check = {
  id: 'config.no-password',
  title: 'No Compose file contains a password',
  chapter: 'Environment and secrets',
  points: 3,
  why: 'Compose files are in git, and everybody who reads them then knows the password.',
  fix: snippet`
    environment:
      POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?is not set, see .env.example}
  `,
  async run(project) {
    const literal = await literalPasswords(project);
    const leaks = await leaksIn(project, 'compose').catch(noneWithoutGit);
    return [
      ...[...literal].flatMap(([file, faults]) => faults.map((fault) => `${file}: ${fault}`)),
      ...leaks.filter(({ path }) => !literal.has(path)).map(({ fault }) => fault),
    ];
  },
};

function noneWithoutGit(error: unknown): [] {
  if (error instanceof NotApplicable) return [];
  throw error;
}

const envMode: Check = {
  id: 'config.env-mode',
  title: 'Only its owner can read .env',
  chapter: 'Environment and secrets',
  points: 1,
  why: 'Otherwise every user and every program on the host can read the passwords.',
  fix: 'chmod 600 .env',
  run(project) {
    const names = envFileNames(project);
    if (names.length === 0) throw new NotApplicable('there is no .env');
    const faults: string[] = [];
    for (const name of names) {
      const mode = statSync(join(project.directory, name)).mode & 0o777;
      if ((mode & 0o077) !== 0) faults.push(`${name} has mode ${mode.toString(8)}`);
    }
    return faults;
  },
};

const override: Check = {
  id: 'config.override',
  title: 'The override is loaded by default, but not with -f compose.yml',
  chapter: 'Overrides and profiles',
  points: 2,
  why:
    'Development settings, such as mounted source and open ports, ' +
    'should apply without a thought, and never in production.',
  fix: snippet`
    # compose.override.yml
    services:
      api:
        volumes: [./api:/app:ro]
        ports: [127.0.0.1:8080:8080]
  `,
  async run(project) {
    if (overrideFile(project) === undefined) return ['there is no compose.override.yml'];
    const [byDefault, base] = await defaultAndBase(project);
    if (!isDeepStrictEqual(byDefault, base)) return [];
    const file = baseFile(project);
    return [`without -f the model is the same as with -f ${file}: is COMPOSE_FILE set in .env?`];
  },
};

const images: Check = {
  id: 'config.images',
  title: 'Every image has a version, and none is latest',
  chapter: 'CI/CD and tags',
  points: 2,
  why:
    'latest is a different program tomorrow: ' +
    'a new major version of PostgreSQL does not even start on the old data.',
  fix: 'image: postgres:17-alpine',
  async run(project) {
    const faults: string[] = [];
    for (const [name, { image, build }] of Object.entries((await wholeModel(project)).services)) {
      if (image === undefined || build || isPinned(image)) continue;
      faults.push(`${name} uses ${image}`);
    }
    return faults;
  },
};

const buildImages: Check = {
  id: 'config.base-images',
  title: 'The Dockerfiles start from images with a version',
  chapter: 'CI/CD and tags',
  points: 1,
  why: 'The same commit should build the same image next month.',
  fix: 'FROM python:3.13-slim',
  async run(project) {
    const faults: string[] = [];
    for (const [name, service] of Object.entries((await wholeModel(project)).services)) {
      const unpinned = baseImages(service).filter((image) => !isPinned(image));
      faults.push(...unpinned.map((image) => `${name} is built from ${image}`));
    }
    return faults;
  },
};

const nonRoot: Check = {
  id: 'config.non-root',
  title: 'The API, PostgreSQL and the nginx workers do not run as root',
  chapter: 'Hardening',
  points: 2,
  why:
    'An attacker who breaks into a program gets its rights, ' +
    'and root in a container is a step from root on the host.',
  fix: snippet`
    # api/Dockerfile
    RUN useradd --system app
    USER app
  `,
  async run(project) {
    const faults: string[] = [];
    for (const tier of tiers) {
      const container = await runningContainer(project, tier);
      faults.push(...faultsOfUsers(tier, await processesOf(project, container)));
    }
    return faults;
  },
};

function faultsOfUsers(tier: Tier, processes: Process[]): string[] {
  const asRoot = processes.filter(({ uid }) => uid === '0').map(({ command }) => command);
  if (tier !== 'web')
    return asRoot.slice(0, 1).map((command) => `${tier} runs as root: ${command}`);
  // The nginx master may be root, to bind its port and read its key: it serves nobody.
  const hasWorkers = asRoot.length < processes.length;
  return hasWorkers ? [] : [`every process of web runs as root: ${asRoot[0]}`];
}

export const config: Check[] = [noPassword, envMode, override, images, buildImages, nonRoot];
