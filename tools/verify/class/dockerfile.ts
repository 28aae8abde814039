// The one line of a Dockerfile that runs a program outside of the build's own limits.
import { existsSync, readFileSync } from 'node:fs';

const official = /^(docker\.io\/)?docker\/dockerfile(-upstream)?(:[\w.-]+)?(@sha256:[0-9a-f]+)?$/;

/** A `# syntax=` line, or its other forms, with a builder other than Docker's own. */
export function syntaxFault(path: string, inline: string | undefined): string[] {
  const text = inline ?? (existsSync(path) ? readFileSync(path, 'utf8') : '');
  if (text.trimStart().startsWith('{')) return ['the Dockerfile is JSON'];
  const lines = text.matchAll(/^\W*syntax\s*=\s*(\S+)/gim);
  const others = [...lines].map(([, image = '']) => image).filter((image) => !official.test(image));
  return others.map((image) => `the Dockerfile is built by ${image}`);
}
