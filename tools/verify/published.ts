// Passwords that everybody who can read the repository knows, and the logins that use one.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { basename } from 'node:path';
import { sqlRows } from './postgres.ts';
import type { Project } from './project.ts';
import { envExampleNames, envFileNames, readText } from './project-files.ts';
import { isSecretName } from './secret-names.ts';
import { say } from './texts.ts';
import { composeFiles, initFiles, textOf } from './tree.ts';

/** Passwords, each with the place where it is published. */
type Published = Map<string, string>;

/** The default passwords of the Compose files. */
function defaultPasswords(project: Project): Published {
  const found: Published = new Map();
  for (const [file, text] of composeFiles(project)) {
    for (const [, name = '', value = ''] of text.matchAll(/\$\{(\w+):?-([^}]+)\}/g)) {
      if (isSecretName(name)) found.set(value, say('shared.name-in-file', { name, file }));
    }
  }
  return found;
}

/** The value in a line of a settings file: what is between quotes, or the first word. */
export function valueIn(text: string): string {
  const [, , quoted, plain] = /^(?:(["'])(.*)\1|([^\s#]\S*))/.exec(text) ?? [];
  return quoted ?? plain ?? '';
}

/** The variables that the settings files set. */
export function settings(project: Project): Map<string, Record<string, string>> {
  return new Map(
    envFileNames(project).map((file) => {
      const lines = readText(project, file).matchAll(/^\s*(?:export\s+)?(\w+)=(.*)$/gm);
      const pairs = [...lines].map(([, name = '', text = '']) => [name, valueIn(text)]);
      return [file, Object.fromEntries(pairs) as Record<string, string>];
    }),
  );
}

/** The passwords in the examples of settings, also in commented lines. */
export function examplePasswords(project: Project): Published {
  const found: Published = new Map();
  for (const file of envExampleNames(project)) {
    const lines = readText(project, file).matchAll(/^\s*#?\s*(?:export\s+)?(\w+)=(.*)$/gm);
    for (const [, name = '', text = ''] of lines) {
      const value = valueIn(text);
      if (isSecretName(name) && value !== '')
        found.set(value, say('shared.name-in-file', { name, file }));
    }
  }
  return found;
}

/** The passwords in the SQL that creates logins on an empty volume. */
export async function initPasswords(project: Project): Promise<Published> {
  const found: Published = new Map();
  for (const path of await initFiles(project)) {
    for (const [, value = ''] of textOf(path).matchAll(/\bPASSWORD\s+'([^'$]+)'/gi)) {
      found.set(value, basename(path));
    }
  }
  return found;
}

/** True if PostgreSQL, which stores this verifier for the role, would accept the password. */
function isAccepted(password: string, role: string, stored: string): boolean {
  const scram = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(stored);
  if (!scram) {
    const hash = createHash('md5').update(password + role);
    return stored === `md5${hash.digest('hex')}`;
  }
  const [, rounds, salt = '', key] = scram;
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256');
  const client = createHmac('sha256', salted).update('Client Key').digest();
  return createHash('sha256').update(client).digest('base64') === key;
}

const storedPasswords = `
  SELECT rolname, rolpassword
  FROM pg_authid
  WHERE rolcanlogin AND rolpassword IS NOT NULL`;

/** A login of the running database, and what PostgreSQL stores of its password. */
type Login = [role: string, stored: string];

export async function storedLogins(project: Project): Promise<Login[]> {
  const rows = await sqlRows(project, storedPasswords);
  return rows.map(([role = '', stored = '']) => [role, stored]);
}

/** The first of the logins that has this password. */
export function acceptedBy(password: string, logins: Login[]): string | undefined {
  return logins.find(([role, stored]) => isAccepted(password, role, stored))?.[0];
}

/** The passwords that the files of the project publish: in examples, and as defaults. */
export const publishedOnPurpose = (project: Project): Published =>
  new Map([...examplePasswords(project), ...defaultPasswords(project)]);

/** The logins of the running database that have a published password, each with its place. */
export async function publishedLogins(project: Project): Promise<string[]> {
  const known: Published = new Map([
    ...(await initPasswords(project)),
    ...publishedOnPurpose(project),
  ]);
  const faults: string[] = [];
  for (const [role, stored] of await storedLogins(project)) {
    const password = [...known.keys()].find((value) => isAccepted(value, role, stored));
    if (password === undefined) continue;
    const place = known.get(password);
    faults.push(say('database.published-passwords.published', { login: role, place }));
  }
  return faults;
}
