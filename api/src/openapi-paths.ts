import {
  answer,
  body,
  failures,
  header,
  object,
  only,
  parameters,
  ref,
  text,
} from './openapi-parts.ts';
import { IdempotencyKey, ListQuery, TaskPath } from './tasks/schema.ts';

export interface Operation {
  summary: string;
  responses: Record<string, object>;
  [key: string]: unknown;
}
export type Paths = Record<string, Record<string, Operation>>;

const task = object({ task: ref('schemas/Task') });
const page = object(
  { tasks: { type: 'array', maxItems: 500, items: ref('schemas/Task') }, next_cursor: text },
  ['next_cursor'],
);
const pageHeaders = {
  Link: header('The next page, where there is one', false),
  ETag: header('Names this content', true),
};
const createdHeaders = {
  Location: header('Its path', true),
  'Idempotency-Replayed': header('`true`: an earlier request made the task', false),
};

const ofAll = failures({
  400: 'Invalid',
  401: 'Unauthorized',
  429: 'TooMany',
  500: 'Unforeseen',
  502: 'NoApi',
  503: 'Unavailable',
  504: 'Unknown',
});
const ofCondition = failures({ 412: 'ConditionFailed' });
const ofId = { ...failures({ 404: 'NotFound' }), ...ofCondition };
const ofBody = failures({ 413: 'TooLarge', 415: 'NoJson' });
const ofKey = failures({ 409: 'Running', 410: 'Deleted', 422: 'OtherTask' });

const list: Operation = {
  summary: 'List tasks, newest first',
  parameters: parameters('query', ListQuery),
  responses: {
    200: answer('A page of tasks', page, pageHeaders),
    304: {
      description: 'The page is still the one that If-None-Match names',
      headers: { ETag: header('Its name', true) },
    },
    ...ofCondition,
    ...ofAll,
  },
};

const create: Operation = {
  summary:
    'Create a task; with an idempotency-key it can be sent again without making a second one',
  parameters: parameters('header', IdempotencyKey),
  requestBody: body('NewTask'),
  responses: {
    201: answer(
      'The new task; for a known idempotency-key, its task as it is now',
      task,
      createdHeaders,
    ),
    ...ofKey,
    ...ofBody,
    ...ofAll,
  },
};

const get: Operation = {
  summary: 'Get a task',
  parameters: parameters('path', TaskPath),
  responses: {
    200: answer('The task', task),
    304: { description: 'If-None-Match is `*`, and the task exists' },
    ...ofId,
    ...ofAll,
  },
};

const change = (summary: string): Operation => ({
  summary,
  parameters: parameters('path', TaskPath),
  requestBody: body('TaskChange'),
  responses: { 200: answer('The changed task', task), ...ofId, ...ofBody, ...ofAll },
});

const remove: Operation = {
  summary: 'Delete a task',
  parameters: parameters('path', TaskPath),
  responses: { 200: answer('Deleted', object({ message: text })), ...ofId, ...ofAll },
};

/** GET without a token. */
const open = (summary: string, responses: Record<string, object>) => ({
  get: { summary, security: [], responses },
});
/** Not public: nginx does not pass these on. */
const internal = (summary: string, responses: Record<string, object>) => ({
  get: { summary, security: [], tags: ['internal'], responses },
});

const about = answer(
  'The API',
  object({ application: text, version: text, endpoints: { type: 'array', items: text } }),
);

export const paths: Paths = {
  '/': open('What this is; for browsers, the web page', {
    200: { ...about, content: { ...about.content, 'text/html': {} } },
  }),
  '/healthz': open('Whether the API can do its work', {
    200: answer('A query on the tables works', object({ status: only('healthy') })),
    503: answer('It does not', object({ status: only('unhealthy'), reason: text })),
  }),
  '/api/tasks': { get: list, post: create },
  '/api/tasks/{id}': {
    get,
    put: change('Change a task: what is absent stays as it is'),
    patch: change('Change a task, the same as PUT'),
    delete: remove,
  },
  '/api/openapi.json': open('This document', {
    200: answer('OpenAPI 3.1', { type: 'object', required: ['openapi', 'paths'] }),
  }),
  '/api/docs': open('This document, for people to read', {
    200: { description: 'A page', content: { 'text/html': {} } },
  }),
  '/livez': internal('Whether the process answers', {
    200: answer('It does', object({ status: only('alive') })),
  }),
  '/metrics': internal('Metrics for Prometheus', {
    200: { description: 'Text', content: { 'text/plain': {} } },
  }),
};
