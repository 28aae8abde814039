import { object, responses, schemaOf, text } from './openapi-parts.ts';
import { type Operation, type Paths, paths } from './openapi-paths.ts';
import { NewTask, TaskChange } from './tasks/schema.ts';

/** What the API accepts and answers, for programs to read: OpenAPI 3.1. */
export interface OpenApi {
  paths: Paths;
  [key: string]: unknown;
}

const schemas = {
  Task: object({
    id: { type: 'integer', minimum: 1, maximum: 2_147_483_647 },
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
};

const token = {
  type: 'http',
  scheme: 'bearer',
  description: 'The API token, where the server asks for one',
};

/** The document. `tokenNeeded`: whether the operations below /api need the API token. */
export function openApi(version: string, tokenNeeded: boolean): OpenApi {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Task API',
      version,
      description:
        'Titles and statuses are trimmed; what remains is measured in Unicode code points. ' +
        'HEAD is answered like GET. Every answer has an X-Request-Id, which finds it in the logs.',
    },
    servers: [{ url: '/' }],
    security: tokenNeeded ? [{ token: [] }] : [],
    paths,
    components: { schemas, responses, securitySchemes: { token } },
  };
}

/** Each public endpoint, in the form `GET /api/tasks/<id>`. */
export const endpoints = Object.entries(paths).flatMap(endpointsOf);

function endpointsOf([path, operations]: [string, Record<string, Operation>]): string[] {
  const name = path.replaceAll(/\{(\w+)\}/g, '<$1>');
  const isPublic = ([, { tags }]: [string, Operation]) => tags === undefined;
  const open = Object.entries(operations).filter(isPublic);
  return open.map(([method]) => `${method.toUpperCase()} ${name}`);
}
