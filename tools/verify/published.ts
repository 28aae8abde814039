// Passwords that everybody who can read the repository knows, and whether the database takes one.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { basename } from 'node:path';
import type { Project } from './project.ts';
import { initFiles, textOf } from './tree.ts';

export const isSecret = (name: string) =>
  /(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_KEY)$/.test(name);

/** The values that the Compose files have in reserve for passwords, with where each is. */
export function reserved(project: Project): Map<string, string> {
  const found = new Map<string, string>();
  for (const [file, text] of project.composeTexts()) {
    for (const [, name = '', value = ''] of text.matchAll(/\$\{(\w+):?-([^}]+)\}/g)) {
      if (isSecret(name)) found.set(value, `${name} of ${file}`);
    }
  }
  return found;
}

/** The same of the examples of settings, also of what is a comment there. */
function examples(project: Project): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of project.envFileNames('examples')) {
    const lines = project.read(file).matchAll(/^\s*#?\s*(?:export\s+)?(\w+)=(.*)$/gm);
    for (const [, name = '', text = ''] of lines) {
      const [, quoted, plain] = /^(?:(["'].*["'])|([^\s#]*))/.exec(text) ?? [];
      const value = quoted?.slice(1, -1) ?? plain ?? '';
      if (isSecret(name) && value !== '') found.set(value, `${name} of ${file}`);
    }
  }
  return found;
}

/** The same of the statements that make logins on an empty volume. */
async function statements(project: Project): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of await initFiles(project)) {
    for (const [, value = ''] of textOf(path).matchAll(/\bPASSWORD\s+'([^'$]+)'/gi)) {
      found.set(value, basename(path));
    }
  }
  return found;
}

/** True if a password is the one that PostgreSQL keeps for a login: so it would let it in. */
function fits(password: string, role: string, stored: string): boolean {
  const [, rounds, salt = '', key] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(stored) ?? [];
  if (rounds === undefined) {
    return (
      stored ===
      `md5${createHash('md5')
        .update(password + role)
        .digest('hex')}`
    );
  }
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256');
  const client = createHmac('sha256', salted).update('Client Key').digest();
  return createHash('sha256').update(client).digest('base64') === key;
}

/** The logins of the running database that have such a password, with where that one is. */
export async function publishedLogins(project: Project): Promise<string[]> {
  const known = new Map([
    ...(await statements(project)),
    ...examples(project),
    ...reserved(project),
  ]);
  const rows = await project.sql(
    'SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL',
  );
  const logins = rows
    .split('\n')
    .filter(Boolean)
    .map((row) => row.split('|'));
  return logins.flatMap(([role = '', stored = '']) => {
    const password = [...known.keys()].find((value) => fits(value, role, stored));
    if (password === undefined) return [];
    return [`${role} has the password that is ${known.get(password)}`];
  });
}
