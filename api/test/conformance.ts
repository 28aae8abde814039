// Compares the answers of the API with its own OpenAPI document.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { openApi } from '../src/openapi.ts';

export const document = openApi('1.2.3', false);
const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(document, 'openapi');

function pointer(...keys: string[]): string {
  const escaped = keys.map((key) => key.replaceAll('~', '~0').replaceAll('/', '~1'));
  return `openapi#/${escaped.map(encodeURIComponent).join('/')}`;
}

/** Validates values against the schema that these keys of the document lead to. */
export function validator(...keys: string[]): ValidateFunction {
  const validate = ajv.getSchema(pointer(...keys));
  if (!validate) throw new Error(`the document has no ${keys.join(' ')}`);
  return validate as ValidateFunction;
}

type Request = Pick<IncomingMessage, 'method' | 'url'>;

interface Answer {
  description: string;
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, { schema?: object }>;
}

/** The documented answer, behind its `$ref` if it has one, and the keys that lead to it. */
function answerOf(
  path: string,
  method: string,
  status: number,
): { keys: string[]; answer: Answer } | undefined {
  const found = document.paths[path]?.[method]?.responses[status] as
    (Answer & { $ref?: string }) | undefined;
  if (!found?.$ref)
    return found && { keys: ['paths', path, method, 'responses', String(status)], answer: found };
  const [, , name = ''] = found.$ref.slice(2).split('/');
  const { responses } = document.components as { responses: Record<string, Answer> };
  const answer = responses[name];
  return answer && { keys: ['components', 'responses', name], answer };
}

/** The headers that an answer must have. */
function requiredHeaders({ headers = {} }: Answer): string[] {
  const { headers: described } = document.components as {
    headers: Record<string, { required: boolean }>;
  };
  const isRequired = ($ref: string) => described[$ref.split('/').at(-1) ?? '']?.required;
  return Object.keys(headers).filter((name) => isRequired(headers[name]?.$ref ?? ''));
}

/** What is not as documented. */
function fault(
  { method: sent = '', url = '' }: Request,
  res: ServerResponse,
  body: string,
): string | undefined {
  const path = Object.keys(document.paths).find((template) =>
    new RegExp(`^${template.replace('{id}', '[^/]+')}$`).test(url.replace(/\?.*/s, '')),
  );
  const method = sent === 'HEAD' ? 'get' : sent.toLowerCase();
  const faultOf = (keys: string[]) => {
    const validate = validator(...keys);
    return validate(JSON.parse(body))
      ? undefined
      : `${body} is not as documented: ${ajv.errorsText(validate.errors)}`;
  };
  if (path === undefined || !document.paths[path]?.[method]) {
    // Of an unknown route, only the form of the error is documented.
    return [401, 404, 405, 500].includes(res.statusCode) && body
      ? faultOf(['components', 'schemas', 'Error'])
      : undefined;
  }

  const documented = answerOf(path, method, res.statusCode);
  if (!documented) return `the status ${res.statusCode} is not documented`;
  const missing = requiredHeaders(documented.answer).find((name) => !res.hasHeader(name));
  if (missing) return `the documented header ${missing} is missing`;
  if (!documented.answer.content) return body === '' ? undefined : 'there is a body';
  const type = String(res.getHeader('Content-Type')).split(';')[0] ?? '';
  const content = documented.answer.content[type];
  if (!content) return `the type ${type} is not documented`;
  return content.schema && sent !== 'HEAD'
    ? faultOf([...documented.keys, 'content', type, 'schema'])
    : undefined;
}

/** The same application. Every answer that differs from the document is added to `faults`. */
export function observed(app: RequestListener, faults: string[]): RequestListener {
  return (req, res) => {
    const chunks: Buffer[] = [];
    const { method = '', url = '' } = req; // Express changes them
    for (const name of ['write', 'end'] as const) {
      const original = res[name].bind(res) as (...args: unknown[]) => unknown;
      const kept = (chunk: unknown, ...rest: unknown[]) => {
        if (typeof chunk === 'string' || chunk instanceof Uint8Array)
          chunks.push(Buffer.from(chunk));
        return original(chunk, ...rest);
      };
      Object.assign(res, { [name]: kept });
    }
    res.on('finish', () => {
      const found = fault({ method, url }, res, Buffer.concat(chunks).toString());
      if (found) faults.push(`${method} ${url} ${res.statusCode}: ${found}`);
    });
    app(req, res);
  };
}
