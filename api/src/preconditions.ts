import type { Request } from 'express';

/**
 * Evaluates If-Match and If-None-Match (RFC 9110, section 13) for something that exists: 304 if the
 * client already has it, 412 if the request must not proceed, undefined to go on. `etag` is its
 * tag, if any.
 *
 * req.fresh would not do: it is never true for a browser's fetch() with a condition, to which the
 * browser adds `Cache-Control: no-cache`.
 */
export function precondition(req: Request, etag?: string): 304 | 412 | undefined {
  const ifMatch = req.get('If-Match');
  if (ifMatch !== undefined && !isNamed(ifMatch, etag, 'strong')) return 412;

  const ifNoneMatch = req.get('If-None-Match');
  if (ifNoneMatch === undefined || !isNamed(ifNoneMatch, etag, 'weak')) return undefined;
  return req.method === 'GET' || req.method === 'HEAD' ? 304 : 412;
}

/** Whether a header names the tag. nginx may turn it into W/"…", which only `weak` accepts. */
function isNamed(header: string, etag: string | undefined, comparison: 'weak' | 'strong'): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []; // a tag may contain a comma
  return tags.some((tag) => (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag);
}
