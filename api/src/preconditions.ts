import type { Request } from 'express';

/**
 * What If-Match and If-None-Match (RFC 9110, section 13) make of a request for something that
 * exists: 304 for a client that has it already, 412 for what must not happen, undefined to go on.
 * `etag` is its tag, where it has one.
 *
 * Not req.fresh: it is never true for a browser's fetch, which adds `Cache-Control: no-cache` to a
 * condition of its own.
 */
export function precondition(req: Request, etag?: string): 304 | 412 | undefined {
  const ifMatch = req.get('If-Match');
  if (ifMatch !== undefined && !isNamed(ifMatch, etag, 'strong')) return 412;

  const ifNoneMatch = req.get('If-None-Match');
  if (ifNoneMatch === undefined || !isNamed(ifNoneMatch, etag, 'weak')) return undefined;
  return req.method === 'GET' || req.method === 'HEAD' ? 304 : 412;
}

/** Whether a header names the tag. The weak comparison takes what nginx makes of a tag: W/"…". */
function isNamed(header: string, etag: string | undefined, comparison: 'weak' | 'strong'): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []; // a tag may have a comma in it
  return tags.some((tag) => (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag);
}
