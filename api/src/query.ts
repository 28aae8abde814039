import querystring from 'node:querystring';

/** All parameters, however many. One that is given twice is an array. */
export function parseQuery(text: string | null): querystring.ParsedUrlQuery {
  const options = { maxKeys: 0, decodeURIComponent: decodeParameter };
  return querystring.parse(text ?? '', '&', '=', options);
}

const loneSurrogate = '\ud800';

/**
 * Accepts a stray `%`. A value that is not UTF-8 becomes text that every parameter rejects. The
 * schema then reports it, together with everything else that is wrong with the query.
 */
function decodeParameter(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    const decoded = querystring.unescape(text); // has U+FFFD where bytes are not UTF-8
    return decoded.includes('\ufffd') ? loneSurrogate : decoded;
  }
}
