// The models that Compose makes of a project's files.
import { basename } from 'node:path';
import { lastLine } from './command.ts';
import { NotPossible } from './errors.ts';
import type { Model, Service, Tier } from './model.ts';
import type { Project } from './project.ts';
import { baseFile, fileExists, productionFile, readText } from './project-files.ts';
import { say } from './texts.ts';

/** A model, and what Compose wrote to standard error about it. */
interface Resolved {
  model: Model;
  complaints: string;
}

async function resolve(project: Project, options: string[], env = project.env): Promise<Resolved> {
  const args = ['compose', ...options, 'config', '--format', 'json'];
  const { code, stdout, stderr } = await project.docker(args, { env });
  if (code !== 0) throw new NotPossible(`docker compose config: ${lastLine(stderr)}`);
  return { model: JSON.parse(stdout.toString()) as Model, complaints: stderr };
}

/** The model of the chosen files. Throws NotPossible with the message of Compose. */
export function resolvedModel(project: Project): Promise<Resolved> {
  return project.once('model', () => resolve(project, project.composeOptions()));
}

/** The same without the complaints. */
export async function composeModel(project: Project): Promise<Model> {
  return (await resolvedModel(project)).model;
}

/** The same with the services of all profiles. */
export async function wholeModel(project: Project): Promise<Model> {
  const options = [...project.composeOptions(), '--profile', '*'];
  const { model } = await project.once('whole model', () => resolve(project, options));
  return model;
}

/** One service of the model. Throws NotPossible if it is missing. */
export async function findService(project: Project, name: Tier): Promise<Service> {
  const service = (await composeModel(project)).services[name];
  if (!service) throw new NotPossible(say('shared.no-service', { service: name }));
  return service;
}

/** The model without -f, and the model of the base file alone. Throws NotPossible without one. */
export async function defaultAndBase(project: Project): Promise<[Model, Model]> {
  const base = baseOf(project);
  if (base === undefined) throw new NotPossible(say('shared.no-compose-file'));
  const env = { ...project.env };
  delete env.COMPOSE_FILE;
  const resolveFiles = async (files: string[]) => {
    const { model } = await resolve(project, project.composeOptions(files), env);
    return model;
  };
  return project.once('default and base', () => {
    const namesFiles = project.options.files || project.env.COMPOSE_FILE !== undefined;
    const byDefault = namesFiles ? resolveFiles([]) : composeModel(project);
    return Promise.all([byDefault, resolveFiles([base])]);
  });
}

/** A service as the files have it: variables are not filled in, and lists stay lists. */
export interface RawService {
  environment?: Record<string, unknown> | string[];
  build?: { args?: Record<string, unknown> | string[] } | string;
  command?: string | string[];
}

export type RawModel = Record<string, RawService>;

const raw = ['config', '--format', 'json', '--no-interpolate', '--no-normalize'];

/** The services of one Compose file alone. Throws NotPossible if Compose cannot read it. */
export async function rawFile(project: Project, file: string): Promise<RawModel> {
  const options = ['compose', '-f', file, '--profile', '*', ...raw, '--no-consistency'];
  const { code, stdout, stderr } = await project.docker(options);
  if (code !== 0)
    throw new NotPossible(say('shared.unreadable', { file, error: lastLine(stderr) }));
  return (JSON.parse(stdout.toString()) as { services?: RawModel }).services ?? {};
}

/** The services of production as its files have them, one laid over the other. */
export async function rawProduction(project: Project): Promise<RawModel> {
  const options = ['compose', ...productionOptions(project), ...raw];
  const { code, stdout, stderr } = await project.docker(options);
  if (code !== 0) throw new NotPossible(`docker compose config: ${lastLine(stderr)}`);
  return (JSON.parse(stdout.toString()) as { services: RawModel }).services;
}

/** The Compose files named by an option, by the environment or by a settings file. */
export function chosenFiles(project: Project): string[] {
  const { files = [], envFiles } = project.options;
  if (files.length > 0) return files;
  const value = project.env.COMPOSE_FILE ?? composeFileSetting(project, envFiles) ?? '';
  return value.split(project.env.COMPOSE_PATH_SEPARATOR ?? ':').filter(Boolean);
}

/** COMPOSE_FILE as the first of the settings files has it. */
function composeFileSetting(
  project: Project,
  envFiles = project.env.COMPOSE_ENV_FILES?.split(',') ?? ['.env'],
): string | undefined {
  for (const file of envFiles) {
    if (!fileExists(project, file)) continue;
    const value = /^COMPOSE_FILE=(.*)$/m.exec(readText(project, file))?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The file that the others are laid over: of the usual name, or else the first one chosen. */
export const baseOf = (project: Project): string | undefined =>
  baseFile(project) ?? chosenFiles(project)[0];

/** True if one of the chosen files is for production. */
export function isProduction(project: Project): boolean {
  return chosenFiles(project).some((file) => /prod/.test(basename(file)));
}

/**
 * The model of production with all profiles: of the chosen files if one of them is for production,
 * otherwise of the base and, if there is one, of the production file. Throws NotPossible.
 */
export async function productionModel(project: Project): Promise<Model> {
  if (isProduction(project)) return wholeModel(project);
  const options = productionOptions(project);
  const { model } = await project.once('production', () => resolve(project, options));
  return model;
}

/** The options that make Compose read production. Throws NotPossible without a Compose file. */
function productionOptions(project: Project): string[] {
  const everything = ['--profile', '*'];
  if (isProduction(project)) return [...project.composeOptions(), ...everything];
  const base = baseOf(project);
  if (base === undefined) throw new NotPossible(say('shared.no-compose-file'));
  const production = productionFile(project);
  // As the labs run it.
  if (production === undefined) return [...project.composeOptions([base]), ...everything];
  const envFile = ['.env.prod', '.env.prod.example'].find((name) => fileExists(project, name));
  const envFiles = project.options.envFiles ?? (envFile === undefined ? [] : [envFile]);
  return [...project.composeOptions([base, production], envFiles), ...everything];
}
