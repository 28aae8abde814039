import { z } from 'zod';

// What the paths of the document are made of.

export const text = { type: 'string' };
export const only = (value: string) => ({ type: 'string', const: value });

/** All properties are required, except for those named in `optional`. */
export const object = (properties: Record<string, object>, optional: string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

export const ref = (path: string) => ({ $ref: `#/components/${path}` });

/** A Zod schema as JSON Schema. `input`: what it accepts. `output`: what it turns that into. */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

/** Parameters arrive as text. The document gives what they are turned into: see .meta(). */
export function parameters(place: 'path' | 'query' | 'header', { shape }: z.ZodObject): object[] {
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path',
    schema: schemaOf(schema as z.ZodType, 'output'),
  }));
}

export const body = (schema: string) => ({
  required: true,
  content: { 'application/json': { schema: ref(`schemas/${schema}`) } },
});

export const header = (description: string, required: boolean) => ({
  description,
  required,
  schema: text,
});

export const answer = (description: string, schema: object, headers: object = {}) => ({
  description,
  headers,
  content: { 'application/json': { schema } },
});

const failure = (description: string, headers?: object) =>
  answer(description, ref('schemas/Error'), headers);

const howToGiveIt = { 'WWW-Authenticate': header('How to send the token', true) };
const later = { 'Retry-After': header('Seconds to wait', true) };

/** Every failure, by its name in the document. */
export const responses = {
  Invalid: failure('The input is invalid: `error` says why, `details` says where'),
  Unauthorized: failure('The API token is missing or wrong', howToGiveIt),
  NotFound: failure('There is no such task'),
  Running: failure('A request with this Idempotency-Key is still running', later),
  Deleted: failure('The task of this Idempotency-Key was deleted'),
  ConditionFailed: failure(
    'The condition of If-Match or If-None-Match does not hold. Nothing was changed',
  ),
  OtherTask: failure('This Idempotency-Key was used for another task'),
  TooLarge: failure('The body is larger than 64 kB'),
  NoJson: failure('The body is not application/json in UTF-8, or has an unknown Content-Encoding'),
  TooMany: failure('Too many requests, from this address or from all clients together', later),
  Unforeseen: failure('An unforeseen error; the log has its cause under the X-Request-Id'),
  NoApi: failure('No replica of the API took the request. Nothing was changed', later),
  Unavailable: failure('The database is unreachable or busy. Nothing was changed', later),
  Unknown: failure(
    'The request was sent, but no answer came: a change may or may not be stored. ' +
      'Check before you send it again, unless it had an idempotency-key',
  ),
};

/** The failures of an operation, by status. */
export function failures(names: Record<number, keyof typeof responses>): Record<string, object> {
  const entries = Object.entries(names);
  return Object.fromEntries(entries.map(([status, name]) => [status, ref(`responses/${name}`)]));
}
