import querystring from 'node:querystring';
import { ZodError } from 'zod';

const encodedReplacement = /%EF%BF%BD/gi; // U+FFFD itself

/**
 * All parameters, however many. One that is given twice is an array. Throws for a value that is not
 * UTF-8: a decoder replaces such bytes with U+FFFD, and we would search for other text.
 */
export function parseQuery(text: string | null): querystring.ParsedUrlQuery {
  if (text === null) return {};
  for (const [name, value] of new URLSearchParams(text.replaceAll(encodedReplacement, '?'))) {
    if (value.includes('\ufffd')) throw notUnicode(name);
  }
  return querystring.parse(text, '&', '=', { maxKeys: 0 });
}

const notUnicode = (name: string) =>
  new ZodError([
    { code: 'custom', path: [name], message: 'must be valid Unicode', input: undefined },
  ]);
