// The values that a stack uses as secrets, wherever it has them from.
import { productionModel, wholeModel } from './compose.ts';
import { imageOf } from './containers.ts';
import { variablesOf } from './literals.ts';
import { type Model, unescaped } from './model.ts';
import type { Project } from './project.ts';
import {
  acceptedBy,
  initPasswords,
  publishedOnPurpose,
  settings,
  storedLogins,
} from './published.ts';
import { secretsAmong, secretWord } from './secret-names.ts';
import { say } from './texts.ts';
import { textOf } from './tree.ts';

export interface Secret {
  /** Where the stack has it, such as `DB_PASS of api`. */
  place: string;
  value: string;
  /** Set if an image has it by itself: it may come from its base image, and be no secret at all. */
  isOfImage?: true;
}

function fromEnvironment({ services }: Model): Secret[] {
  return Object.entries(services).flatMap(([service, { environment = {}, build }]) =>
    secretsAmong({ ...build?.args, ...environment }).map(([name, value]) => ({
      place: say('shared.name-of-owner', { name, owner: service }),
      value: unescaped(value),
    })),
  );
}

const shortest = 3; // a shorter value is in every text

/** The contents of the files with secrets. A certificate is not secret. */
export function secretFiles({ secrets = {} }: Model): Secret[] {
  return Object.entries(secrets).flatMap(([name, { file }]) => {
    const value = file === undefined ? '' : textOf(file).trim();
    const isPublic = value.startsWith('-----BEGIN CERTIFICATE') && !value.includes('PRIVATE KEY');
    return value.length < shortest || isPublic
      ? []
      : [{ place: say('shared.secret-file', { name }), value }];
  });
}

/** What the images set by themselves; some of it may come from their base images. */
async function fromImages(project: Project, { services }: Model): Promise<Secret[]> {
  const found: Secret[] = [];
  for (const service of Object.keys(services)) {
    const { Env } = (await imageOf(project, service).catch(() => undefined))?.Config ?? {};
    for (const [name, value] of secretsAmong(variablesOf(Env ?? [])))
      found.push({ place: say('shared.name-in-image', { name, service }), value, isOfImage: true });
  }
  return found;
}

/** Values under any name that the running database accepts as a password. */
async function fromDatabase(project: Project, { services }: Model): Promise<Secret[]> {
  const logins = await storedLogins(project).catch(() => []);
  const found: Secret[] = [];
  for (const [service, { environment = {} }] of Object.entries(services)) {
    for (const [name, value] of Object.entries(environment)) {
      const meant = unescaped(value ?? '');
      if (meant !== '' && acceptedBy(meant, logins) !== undefined)
        found.push({ place: say('shared.name-of-owner', { name, owner: service }), value: meant });
    }
  }
  return found;
}

/** What the settings files say, whether or not Compose can read the project. */
function fromSettings(project: Project): Secret[] {
  return [...settings(project)].flatMap(([file, variables]) =>
    secretsAmong(variables).map(([name, value]) => ({
      place: say('shared.name-of-owner', { name, owner: file }),
      value,
    })),
  );
}

async function findSecrets(project: Project): Promise<Secret[]> {
  const models = await Promise.allSettled([wholeModel(project), productionModel(project)]);
  // Production may be the model at hand.
  const read = new Set(models.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
  const init = await initPasswords(project);
  const found = [
    ...[...read].flatMap((one) => [...fromEnvironment(one), ...secretFiles(one)]),
    ...fromSettings(project),
    ...[...init].map(([value, file]) => ({
      place: say('shared.name-in-file', { name: 'PASSWORD', file }),
      value,
    })),
  ];
  for (const model of read) found.push(...(await fromDatabase(project, model)));
  for (const model of read) found.push(...(await fromImages(project, model)));
  // The first place is enough. What examples and defaults publish, other checks look at.
  const known = publishedOnPurpose(project);
  const unique = new Map<string, Secret>();
  for (const secret of found) {
    const isKnown = known.has(secret.value) || unique.has(secret.value);
    if (!isKnown && secret.value.length >= shortest) unique.set(secret.value, secret);
  }
  return [...unique.values()];
}

/** Every secret of the stack and of production, except those that the repository publishes. */
export const secretsOf = (project: Project): Promise<Secret[]> =>
  project.once('secrets', () => findSecrets(project));

const escaped = (text: string) => text.replaceAll(/[$()*+./?[\\\]^{|}-]/g, '\\$&');

/** True for a value that is in a text for no other reason than that it is this secret. */
const isDistinctive = (value: string) =>
  value.length >= 16 || (value.length >= 6 && /[0-9]|[^\w-]/.test(value));

/** Finds a secret in a text. A value that is a plain word must stand where secrets stand. */
export function patternOf({ value }: Secret): RegExp {
  const exactly = `${escaped(value)}(?![\\w-])`;
  if (isDistinctive(value)) return new RegExp(`(?<![\\w-])${exactly}`);
  const named = `(?i:${secretWord})["'\\])]{0,2}(?:\\s*[:=,]{1,2}-?\\s*|\\s+)["']?`;
  return new RegExp(`(?:${named}|://[^\\s:/@]*:)${exactly}`);
}
