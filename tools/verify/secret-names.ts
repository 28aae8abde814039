// Which variables hold a secret.

/** How the name of a variable with a secret ends, in any case. */
export const secretWord = '(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|KEY)';

const secretName = new RegExp(`${secretWord}$`, 'i');

/** True for the name of a variable that holds a secret. */
export const isSecretName = (name: string): boolean =>
  secretName.test(name) && !/PUBLIC_?KEY$|^(?:OLD)?PWD$/i.test(name);

/** True unless the value is a switch or the path of a file. */
const mayBeSecret = (value: string): boolean =>
  value !== '' && !/^(?:\/|true$|false$|none$|null$)/i.test(value);

/** The password in an address such as `postgres://user:password@host`; undefined without one. */
export function passwordInAddress(text: string): string | undefined {
  const [, password] = /\w:\/\/[^\s:/@]*:([^\s@/]+)@/.exec(text) ?? [];
  return password;
}

/** The secrets among variables. */
export function secretsAmong(environment: Record<string, string | null>): [string, string][] {
  return Object.entries(environment).flatMap(([name, raw]): [string, string][] => {
    const value = raw ?? '';
    const inAddress = passwordInAddress(value);
    if (inAddress !== undefined) return [[name, inAddress]];
    return isSecretName(name) && mayBeSecret(value) ? [[name, value]] : [];
  });
}
