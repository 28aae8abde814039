// Passwords that are written in Compose files.
import { type RawModel, type RawService, rawFile } from './compose.ts';
import { NotPossible } from './errors.ts';
import type { Project } from './project.ts';
import { isComposeFile } from './project-files.ts';
import { isSecretName, passwordInAddress, secretsAmong } from './secret-names.ts';
import { say } from './texts.ts';
import { composeFiles } from './tree.ts';

/** `NAME=value` entries, or a mapping, as a mapping of texts. */
export function variablesOf(entries: RawService['environment'] = {}): Record<string, string> {
  const pairs = Array.isArray(entries)
    ? entries.map((entry) => [entry.split('=')[0] ?? '', entry.replace(/^[^=]*=?/, '')])
    : Object.entries(entries).map(([name, value]) => [name, textIn(value)]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

/** YAML has numbers and switches as well as texts. */
const textIn = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

/** A text with a variable in it is no literal; `$$` is a dollar, not a variable. */
const isLiteral = (value: string) => !value.replaceAll('$$', '').includes('$');

function faultsOfService({ environment, build, command = [] }: RawService): string[] {
  const args = typeof build === 'object' ? variablesOf(build.args) : {};
  const variables = { ...args, ...variablesOf(environment) };
  const literal = secretsAmong(variables).filter(([, value]) => isLiteral(value));
  const faults = literal.map(([name]) =>
    isSecretName(name)
      ? say('config.no-password.literal', { name })
      : say('config.no-password.in-address', { name }),
  );
  const inCommand = [command].flat().map(passwordInAddress);
  if (inCommand.some((password) => password !== undefined && isLiteral(password)))
    faults.push(say('config.no-password.in-command'));
  if (variables.POSTGRES_HOST_AUTH_METHOD === 'trust') faults.push(say('config.no-password.trust'));
  return faults;
}

/** For each Compose file, the passwords in it. Throws NotPossible if one cannot be read. */
export async function literalPasswords(project: Project): Promise<Map<string, string[]>> {
  const files = [...composeFiles(project).keys()];
  if (files.length === 0) throw new NotPossible(say('shared.no-compose-file'));
  const found = new Map<string, string[]>();
  const unreadable: NotPossible[] = [];
  for (const file of files) {
    const services = await rawFile(project, file).catch((error: unknown): RawModel => {
      if (!(error instanceof NotPossible)) throw error;
      // Other tools have files with services as well.
      if (isComposeFile(file)) unreadable.push(error);
      return {};
    });
    const faults = Object.values(services).flatMap(faultsOfService);
    if (faults.length > 0) found.set(file, faults);
  }
  const [error] = unreadable;
  if (error && found.size === 0) throw error;
  return found;
}
