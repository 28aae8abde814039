import type { Request } from 'express';

/**
 * Evaluates If-Match and If-None-Match (RFC 9110, section 13) for a resource that exists. Returns
 * 304 if the client already has the resource, 412 if the request must not proceed, and undefined to
 * go on. `etag` is the resource's tag, if it has one.
 *
 * req.fresh does not suffice. A browser adds `Cache-Control: no-cache` to a fetch() with a
 * condition, and req.fresh is then false.
 */
export function precondition(req: Request, etag?: string): 304 | 412 | undefined {
  const ifMatch = req.get('If-Match');
  if (ifMatch !== undefined && !isNamed(ifMatch, etag, 'strong')) return 412;

  const ifNoneMatch = req.get('If-None-Match');
  if (ifNoneMatch === undefined || !isNamed(ifNoneMatch, etag, 'weak')) return undefined;
  return req.method === 'GET' || req.method === 'HEAD' ? 304 : 412;
}

/** Whether a header names the tag. nginx may turn a tag into W/"…", which only `weak` accepts. */
function isNamed(header: string, etag: string | undefined, comparison: 'weak' | 'strong'): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []; // a tag may contain a comma
  return tags.some((tag) => (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag);
}
