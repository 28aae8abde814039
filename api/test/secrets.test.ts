// The API and db/init/04_roles.sh must read the same password from a secret file.
import { execFileSync } from 'node:child_process';

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { secretFile } from './helper.ts';

/** The password in the SQL of the init file. */
function passwordOfRole(environment: Record<string, string>): string | undefined {
  const script = join(import.meta.dirname, '../../db/init/04_roles.sh');
  const env = { PATH: process.env.PATH, POSTGRES_USER: 'owner', DB_USER: 'api', ...environment };
  const sql = execFileSync('bash', [script, '--print'], { env }).toString();
  return /SET LOCAL taskapp\.api_password = '([^]*?)';\nSET/.exec(sql)?.[1]?.replaceAll("''", "'");
}

describe('a secret file', () => {
  it.each([
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['secret\n\n', 'secret\n'],
    ['secret\r\n\r\n', 'secret\r\n'],
    ['secret\r', 'secret\r'],
    [" it's $ecret\t\n", " it's $ecret\t"],
    ['two\nlines\r\n', 'two\nlines'],
  ])('%j is %j to the API and to the role', (content, password) => {
    const file = secretFile(content);
    expect(readConfig({ DB_USER: 'u', DB_PASS_FILE: file }).DB_PASS).toBe(password);
    expect(passwordOfRole({ DB_PASS_FILE: file })).toBe(password);
  });

  it('is not for a variable: its text is taken as it is', () => {
    expect(readConfig({ DB_USER: 'u', DB_PASS: 'secret\r\n' }).DB_PASS).toBe('secret\r\n');
    expect(passwordOfRole({ DB_PASS: 'secret\r\n' })).toBe('secret\r\n');
  });

  it.each(['', '\n', '\r\n'])('%j is empty to both', (content) => {
    const file = secretFile(content);
    expect(() => readConfig({ DB_USER: 'u', DB_PASS_FILE: file })).toThrow('which is empty');
    expect(() => passwordOfRole({ DB_PASS_FILE: file })).toThrow('DB_PASS is empty');
  });
});
