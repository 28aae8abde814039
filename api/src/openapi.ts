import { z } from 'zod';
import document from './openapi.json' with { type: 'json' };
import { IdempotencyKey, ListQuery, NewTask, Task, TaskChange, TaskPath } from './tasks/schema.ts';

interface Operation {
  responses: Record<string, object>;
  [key: string]: unknown;
}

export interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  [key: string]: unknown;
}

/**
 * What the API accepts and answers, for programs to read: openapi.json, with the schemas of the
 * tasks. `tokenNeeded`: whether the operations below /api need the API token.
 */
export function openApi(version: string, tokenNeeded: boolean): OpenApi {
  const { info, components } = document;
  return {
    ...document,
    info: { ...info, version },
    security: tokenNeeded ? [{ token: [] }] : [],
    components: { ...components, schemas: { ...components.schemas, ...taskSchemas } },
  };
}

const taskSchemas = {
  Task: schemaOf(Task, 'output'),
  NewTask: schemaOf(NewTask, 'input'),
  TaskChange: schemaOf(TaskChange, 'input'),
  // Parameters arrive as text. The document gives what they are turned into: see .meta().
  TaskPath: schemaOf(TaskPath, 'output'),
  ListQuery: schemaOf(ListQuery, 'output'),
  IdempotencyKey: schemaOf(IdempotencyKey, 'output'),
};

/** A Zod schema as JSON Schema. `input`: what it accepts. `output`: what it turns that into. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

/** Each public endpoint, in the form `GET /api/tasks/<id>`. */
export const endpoints = Object.entries(document.paths).flatMap(([path, operations]) => {
  const name = path.replaceAll(/\{(\w+)\}/g, '<$1>');
  const isPublic = ([, operation]: [string, object]) => !('tags' in operation);
  const open = Object.entries(operations).filter(isPublic);
  return open.map(([method]) => `${method.toUpperCase()} ${name}`);
});
