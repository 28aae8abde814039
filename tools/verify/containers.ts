// The containers and images of a project.
import { realpathSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Ended, lastLine } from './command.ts';
import { NotPossible } from './errors.ts';
import type { Container, Image, Tier } from './model.ts';
import { composeModel, productionModel, wholeModel } from './compose.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';

const label = 'com.docker.compose';

/** The service that a container belongs to. */
export const serviceNameOf = ({ Config }: Container): string =>
  Config.Labels[`${label}.service`] ?? '';

/** The name of a container, without the slash that the engine puts before it. */
export const nameOf = ({ Name }: Container): string => Name.slice(1);

/** True unless the container is created, restarting, paused or exited. */
export const isRunning = ({ State }: Container): boolean => State.Status === 'running';

/** What `docker inspect` says. Throws NotPossible, also if one of them does not exist. */
export async function inspect<T>(project: Project, args: string[]): Promise<T[]> {
  const { code, stdout, stderr } = await project.docker(['inspect', ...args]);
  if (code !== 0) throw new NotPossible(`docker inspect: ${lastLine(stderr)}`);
  return JSON.parse(stdout.toString()) as T[];
}

async function findContainers(project: Project): Promise<Container[]> {
  const { name } = await composeModel(project);
  const ofProject = ['--filter', `label=${label}.project=${name}`];
  const notOneOff = ['--filter', `label=${label}.oneoff=False`];
  const args = ['ps', '--all', '--quiet', ...ofProject, ...notOneOff];
  const { code, stdout, stderr } = await project.docker(args);
  if (code !== 0) throw new NotPossible(`docker ps: ${lastLine(stderr)}`);
  const ids = stdout.toString().split('\n').filter(Boolean);
  return ids.length === 0 ? [] : inspect<Container>(project, ids);
}

/** All containers of the project, stopped ones too. Throws NotPossible without an engine. */
export function allContainers(project: Project): Promise<Container[]> {
  return project.once('containers', () => findContainers(project));
}

/**
 * If the project has no containers, but the directory has those of one other project, looks at
 * that one. Returns a note about it. Never throws.
 */
export async function findByDirectory(project: Project): Promise<string[]> {
  const given = project.name ?? project.env.COMPOSE_PROJECT_NAME;
  const own = await allContainers(project).catch(() => undefined);
  if (given !== undefined || own === undefined || own.length > 0) return [];
  const ofDirectory = `label=${label}.project.working_dir=${realpathSync(project.directory)}`;
  const format = `{{.Label "${label}.project"}}`;
  const list = ['ps', '--filter', ofDirectory, '--format', format];
  const listed = await project.docker(list).catch(() => undefined);
  const [name, ...others] = new Set(listed?.stdout.toString().split('\n').filter(Boolean));
  if (name === undefined || others.length > 0) return [];
  project.name = name;
  project.forget('model', 'whole model');
  forgetContainers(project);
  return [say('shared.other-name', { name })];
}

/** Call this after containers have changed: they and web's address are then looked up again. */
export function forgetContainers(project: Project): void {
  project.forget('containers', 'url', 'name', 'answers');
}

/** The containers of one service. */
export async function containersOf(project: Project, service: string): Promise<Container[]> {
  const containers = await allContainers(project);
  return containers.filter((container) => serviceNameOf(container) === service);
}

/** A running container of a service. Throws NotPossible if there is none. */
export async function runningContainer(project: Project, service: Tier): Promise<Container> {
  const running = (await containersOf(project, service)).find(isRunning);
  if (!running) throw new NotPossible(say('shared.not-running', { service }));
  return running;
}

/** The image that a service runs from, or would start from. Throws NotPossible if it is not on this machine. */
export async function imageOf(project: Project, service: string): Promise<Image> {
  const model = await wholeModel(project);
  const [container] = await containersOf(project, service);
  // The name may by now be that of another image.
  const names = [container?.Image, project.imageName(model, service)];
  for (const name of names) {
    if (name === undefined) continue;
    const [image] = await inspect<Image>(project, ['--type', 'image', name]).catch(() => []);
    if (image) return image;
  }
  throw new NotPossible(say('shared.no-image', { service }));
}

/**
 * The image that a service has in production, if it is on this machine: built as the one for
 * development is, or known by its name.
 */
export async function imageInProduction(
  project: Project,
  service: string,
): Promise<Image | undefined> {
  const production = await productionModel(project);
  const build = production.services[service]?.build;
  const model = await wholeModel(project);
  if (build && isDeepStrictEqual(build, model.services[service]?.build))
    return imageOf(project, service).catch(() => undefined);
  const name = project.imageName(production, service);
  // Two builds have the same name: the one that is here may be that of development.
  if (build && name === project.imageName(model, service)) return undefined;
  const [image] = await inspect<Image>(project, ['--type', 'image', name]).catch(() => []);
  return image;
}

/**
 * Runs a program from db's image in the network of a container, whose own image may lack it.
 * Throws NotPossible if db does not run.
 */
export async function runBeside(
  project: Project,
  container: Container,
  program: string,
  ...args: string[]
): Promise<Ended> {
  const { Image: image } = await runningContainer(project, 'db');
  const network = ['--network', `container:${container.Id}`];
  const command = ['--entrypoint', program, image, ...args];
  return project.docker(['run', '--rm', '--pull', 'never', ...network, ...command]);
}
