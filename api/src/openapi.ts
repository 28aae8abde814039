import { z } from 'zod';
import { IdempotencyKey, ListQuery, NewTask, TaskChange, TaskPath } from './tasks/schema.ts';

/** What the API answers and takes, for programs: OpenAPI 3.1. What is taken comes from the schemas that validate it. */
export interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  [key: string]: unknown;
}
interface Operation {
  summary: string;
  responses: Record<string, object>;
  [key: string]: unknown;
}

const object = (properties: Record<string, object>, optional: string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});
const text = { type: 'string' };
const only = (value: string) => ({ type: 'string', const: value });
const wholeNumber = { type: 'integer', minimum: 1, maximum: 2_147_483_647 };
const ref = (path: string) => ({ $ref: `#/components/${path}` });

const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};
/** Parameters arrive as text; .meta() says what it stands for, after the transformation. */
const parameters = (place: 'path' | 'query' | 'header', { shape }: z.ZodObject) =>
  Object.entries(shape).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path',
    schema: schemaOf(schema as z.ZodType, 'output'),
  }));
const body = (schema: string) => ({
  required: true,
  content: { 'application/json': { schema: ref(`schemas/${schema}`) } },
});

const answer = (description: string, schema: object, headers: object = {}) => ({
  description,
  headers,
  content: { 'application/json': { schema } },
});
const failure = (description: string, headers: object = {}) =>
  answer(description, ref('schemas/Error'), headers);
const header = (description: string, required: boolean) => ({
  description,
  required,
  schema: text,
});
const later = { 'Retry-After': header('Seconds to wait', true) };

const responses = {
  Invalid: failure('The input is invalid; the sentence says why, `details` says where'),
  Unauthorized: failure('The API token is missing or wrong', {
    'WWW-Authenticate': header('How to give it', true),
  }),
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
  Unforeseen: failure('Unforeseen; the log has the cause under the X-Request-Id'),
  NoApi: failure('No replica of the API took the request. Nothing was changed', later),
  Unavailable: failure('The database is unreachable or busy. Nothing was changed', later),
  Unknown: failure(
    'The request was sent, but no answer came: a change may or may not be stored. ' +
      'Read before you send it again, unless it had an idempotency-key',
  ),
};
const named = (names: Record<number, keyof typeof responses>) =>
  Object.fromEntries(
    Object.entries(names).map(([status, name]) => [status, ref(`responses/${name}`)]),
  );
const common = named({
  400: 'Invalid',
  401: 'Unauthorized',
  429: 'TooMany',
  500: 'Unforeseen',
  502: 'NoApi',
  503: 'Unavailable',
  504: 'Unknown',
});
const ofBody = named({ 413: 'TooLarge', 415: 'NoJson' });
const ofKey = named({ 409: 'Running', 410: 'Deleted', 422: 'OtherTask' });
const ofId = named({ 404: 'NotFound', 412: 'ConditionFailed' });

const task = object({ task: ref('schemas/Task') });
const page = object(
  { tasks: { type: 'array', maxItems: 500, items: ref('schemas/Task') }, next_cursor: text },
  ['next_cursor'],
);
const created = {
  Location: header('Its path', true),
  'Idempotency-Replayed': header('`true`: an earlier request made the task', false),
};
const change = (summary: string) => ({
  summary,
  requestBody: body('TaskChange'),
  responses: { 200: answer('The changed task', task), ...ofId, ...ofBody, ...common },
});
const open = { security: [] }; // asks for no token
const about = answer(
  'The API',
  object({ application: text, version: text, endpoints: { type: 'array', items: text } }),
);
const index = { ...about, content: { ...about.content, 'text/html': {} } };
const health = {
  200: answer('A query on the tables works', object({ status: only('healthy') })),
  503: answer('It does not', object({ status: only('unhealthy'), reason: text })),
};
/** Not for those outside: nginx does not pass these on. */
const internal = { ...open, tags: ['internal'] };

const paths: OpenApi['paths'] = {
  '/': {
    get: { ...open, summary: 'What this is; for browsers the web page', responses: { 200: index } },
  },
  '/healthz': { get: { ...open, summary: 'Whether the API can do its work', responses: health } },
  '/api/tasks': {
    get: {
      summary: 'List tasks, newest first',
      parameters: parameters('query', ListQuery),
      responses: {
        200: answer('A page of tasks', page, {
          Link: header('The next page, where there is one', false),
          ETag: header('Names this content', true),
        }),
        304: {
          description: 'The page is still the one that If-None-Match names',
          headers: { ETag: header('Its name', true) },
        },
        ...named({ 412: 'ConditionFailed' }),
        ...common,
      },
    },
    post: {
      summary:
        'Create a task; with an idempotency-key it can be sent again without making a second one',
      parameters: parameters('header', IdempotencyKey),
      requestBody: body('NewTask'),
      responses: {
        201: answer(
          'The new task; for a known idempotency-key, its task as it is now',
          task,
          created,
        ),
        ...ofKey,
        ...ofBody,
        ...common,
      },
    },
  },
  '/api/tasks/{id}': {
    get: {
      summary: 'Get a task',
      responses: {
        200: answer('The task', task),
        304: { description: 'If-None-Match is `*`, and the task exists' },
        ...ofId,
        ...common,
      },
    },
    put: change('Change a task: what is absent stays as it is'),
    patch: change('Change a task, the same as PUT'),
    delete: {
      summary: 'Delete a task',
      responses: { 200: answer('Deleted', object({ message: text })), ...ofId, ...common },
    },
  },
  '/api/openapi.json': {
    get: {
      ...open,
      summary: 'This document',
      responses: { 200: answer('OpenAPI 3.1', { type: 'object', required: ['openapi', 'paths'] }) },
    },
  },
  '/api/docs': {
    get: {
      ...open,
      summary: 'This document for people',
      responses: { 200: { description: 'A page', content: { 'text/html': {} } } },
    },
  },
  '/livez': {
    get: {
      ...internal,
      summary: 'Whether the process answers',
      responses: { 200: answer('It does', object({ status: only('alive') })) },
    },
  },
  '/metrics': {
    get: {
      ...internal,
      summary: 'Metrics for Prometheus',
      responses: { 200: { description: 'Text', content: { 'text/plain': {} } } },
    },
  },
};
for (const operation of Object.values(paths['/api/tasks/{id}'] ?? {}))
  operation.parameters = parameters('path', TaskPath);

/** Each endpoint for those outside, as `GET /api/tasks/<id>`. */
export const endpoints = Object.entries(paths).flatMap(([path, operations]) =>
  Object.entries(operations)
    .filter(([, { tags }]) => tags !== internal.tags)
    .map(([method]) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, '<$1>')}`),
);

/** The document. `tokenNeeded`: whether the operations below /api want the API token. */
export function openApi(version: string, tokenNeeded: boolean): OpenApi {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Task API',
      version,
      description:
        'Titles and statuses are trimmed; their length is counted in Unicode code points after that. HEAD is answered like GET. ' +
        'Every answer has an X-Request-Id, by which the logs can be searched.',
    },
    servers: [{ url: '/' }],
    security: tokenNeeded ? [{ token: [] }] : [],
    paths,
    components: {
      schemas: {
        Task: object({
          id: wholeNumber,
          title: text,
          status: text,
          created_at: { type: 'string', format: 'date-time' },
        }),
        NewTask: schemaOf(NewTask, 'input'),
        TaskChange: schemaOf(TaskChange, 'input'),
        Error: object(
          { error: text, details: { type: 'array', items: object({ path: text, message: text }) } },
          ['details'],
        ),
      },
      responses,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The API token, where the server asks for one',
        },
      },
    },
  };
}
