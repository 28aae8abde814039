import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Check, NotApplicable, NotPossible } from '../check.ts';
import { lastLine } from '../command.ts';
import { baseImages, isPinned } from '../images.ts';
import { type Container, tiers } from '../model.ts';
import type { Project } from '../project.ts';

const secretNames =
  /\b(\w*(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_KEY))["']?[ \t]*[:=][ \t]*["']?([^\s"',}]+)/g;

/** Passwords that are written into the text of a Compose file: a variable, with a default for the lab or without, is none. */
function passwords(text: string): string[] {
  const literal = (value: string) => !/^(?:\$|null$|!reset)/.test(value);
  return [
    ...[...text.matchAll(secretNames)]
      .filter(([, , value = '']) => literal(value))
      .map(([, name]) => `${name} has its value there`),
    ...[...text.matchAll(/\w+:\/\/[^\s:/@$]+:([^\s@$]+)@/g)].map(
      () => 'an address has a password in it',
    ),
    ...(/POSTGRES_HOST_AUTH_METHOD["']?\s*[:=]\s*["']?trust/.test(text)
      ? ['POSTGRES_HOST_AUTH_METHOD is trust: no password at all']
      : []),
  ];
}

/** The processes of a container itself, as [user id, command]: not those of its health check, nor the init that Docker puts before them. */
async function processes(project: Project, { Id, State }: Container): Promise<[string, string][]> {
  const { code, stdout, stderr } = await project.docker(['top', Id, '-eo', 'uid,pid,ppid,args']);
  if (code !== 0) throw new NotPossible(`docker top: ${lastLine(stderr)}`);
  const own = new Set([String(State.Pid)]);
  return stdout
    .toString()
    .split('\n')
    .flatMap((line): [string, string][] => {
      const [, uid, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      if (uid === undefined || pid === undefined || parent === undefined || command === undefined)
        return [];
      if (!own.has(pid) && !own.has(parent)) return [];
      own.add(pid); // ps lists parents first
      return command.includes('docker-init') ? [] : [[uid, command]];
    });
}

export const config: Check[] = [
  {
    id: 'config.no-password',
    title: 'No Compose file contains a password',
    chapter: 'Environment and secrets',
    points: 3,
    why: 'Compose files are in git, and everybody who reads them then knows the password.',
    fix: 'environment:\n  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?is not set, see .env.example}',
    run: (project) =>
      [...project.composeTexts()].flatMap(([name, text]) =>
        passwords(text).map((fault) => `${name}: ${fault}`),
      ),
  },
  {
    id: 'config.env-mode',
    title: 'Only its owner can read .env',
    chapter: 'Environment and secrets',
    points: 1,
    why: 'Otherwise every user and every program on the host can read the passwords.',
    fix: 'chmod 600 .env',
    run: (project) => {
      const names = project.envFileNames('values');
      if (names.length === 0) throw new NotApplicable('there is no .env');
      const modes = names.map(
        (name) => [name, statSync(join(project.directory, name)).mode & 0o777] as const,
      );
      return modes
        .filter(([, mode]) => (mode & 0o077) !== 0)
        .map(([name, mode]) => `${name} has mode ${mode.toString(8)}`);
    },
  },
  {
    id: 'config.override',
    title: 'The override is loaded by default, but not with -f compose.yml',
    chapter: 'Overrides and profiles',
    points: 2,
    why: 'Development settings, such as mounted source and open ports, should apply without a thought, and never in production.',
    fix: '# compose.override.yml\nservices:\n  api:\n    volumes: [./api:/app:ro]\n    ports: [127.0.0.1:8080:8080]',
    run: async (project) => {
      if (project.overrideFile() === undefined) return ['there is no compose.override.yml'];
      const [byDefault, base] = await project.defaultAndBase();
      return isDeepStrictEqual(byDefault, base)
        ? [
            `without -f the model is the same as with -f ${project.baseFile()}: is COMPOSE_FILE set in .env?`,
          ]
        : [];
    },
  },
  {
    id: 'config.images',
    title: 'Every image has a version, and none is latest',
    chapter: 'CI/CD and tags',
    points: 2,
    why: 'latest is a different program tomorrow: a new major version of PostgreSQL does not even start on the old data.',
    fix: 'image: postgres:17-alpine',
    run: async (project) =>
      Object.entries((await project.wholeModel()).services).flatMap(([name, { image, build }]) =>
        image !== undefined && !build && !isPinned(image) ? [`${name} uses ${image}`] : [],
      ),
  },
  {
    id: 'config.base-images',
    title: 'The Dockerfiles start from images with a version',
    chapter: 'CI/CD and tags',
    points: 1,
    why: 'The same commit should build the same image next month.',
    fix: 'FROM python:3.13-slim',
    run: async (project) => {
      const services = Object.entries((await project.wholeModel()).services);
      return services.flatMap(([name, service]) =>
        baseImages(service)
          .filter((image) => !isPinned(image))
          .map((image) => `${name} is built from ${image}`),
      );
    },
  },
  {
    id: 'config.non-root',
    title: 'The API, PostgreSQL and the nginx workers do not run as root',
    chapter: 'Hardening',
    points: 2,
    why: 'An attacker who breaks into a program gets its rights, and root in a container is a step from root on the host.',
    fix: '# api/Dockerfile\nRUN useradd --system app\nUSER app',
    run: async (project) => {
      const found = await Promise.all(
        tiers.map(async (name) => ({
          name,
          list: await processes(project, await project.container(name)),
        })),
      );
      return found.flatMap(({ name, list }) => {
        const asRoot = list.filter(([uid]) => uid === '0').map(([, command]) => command);
        // The master of nginx may be root, to bind its port and read its key: it serves nobody.
        if (name === 'web')
          return asRoot.length === list.length ? [`web runs as root only: ${asRoot[0]}`] : [];
        return asRoot.slice(0, 1).map((command) => `${name} runs as root: ${command}`);
      });
    },
  },
];
