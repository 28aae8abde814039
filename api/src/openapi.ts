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
 * What the API accepts and answers, for programs to read: openapi.json, with the schemas of tasks
 * and parameters from schema.ts. `tokenNeeded`: whether the operations below /api need the API
 * token.
 */
export function openApi(version: string, tokenNeeded: boolean): OpenApi {
  const { info, components } = document;
  return {
    ...document,
    info: { ...info, version },
    security: tokenNeeded ? [{ token: [] }] : [],
    components: { ...components, parameters, schemas: { ...components.schemas, ...taskSchemas } },
  };
}

const taskSchemas = {
  Task: responseSchema(Task),
  NewTask: schemaOf(NewTask, 'input'),
  TaskChange: schemaOf(TaskChange, 'input'),
};

const parameters = {
  ...parametersOf('path', TaskPath),
  ...parametersOf('query', ListQuery),
  ...parametersOf('header', IdempotencyKey),
};

/** Parameters arrive as text. The document shows the type that they become: .meta() names it. */
function parametersOf(place: 'path' | 'query' | 'header', { shape }: z.ZodObject): object {
  const parameterOf = ([name, schema]: [string, unknown]) => [
    name,
    {
      name,
      in: place,
      required: place === 'path',
      schema: schemaOf(schema as z.ZodType, 'output'),
    },
  ];
  return Object.fromEntries(Object.entries(shape).map(parameterOf)) as object;
}

/** A Zod schema as JSON Schema. `input`: what it accepts. `output`: what it turns that into. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

/** Responses do not have the length limits of requests: SQL may have written a row directly. */
function responseSchema(schema: z.ZodType): object {
  const override = ({ jsonSchema }: { jsonSchema: { minLength?: number; maxLength?: number } }) => {
    delete jsonSchema.minLength;
    delete jsonSchema.maxLength;
  };
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any', override });
  return rest;
}

/** Each public endpoint, in the form `GET /api/tasks/<id>`. */
export const endpoints = Object.entries(document.paths).flatMap(([path, operations]) => {
  const name = path.replaceAll(/\{(\w+)\}/g, '<$1>');
  const isPublic = ([, operation]: [string, object]) => !('tags' in operation);
  const open = Object.entries(operations).filter(isPublic);
  return open.map(([method]) => `${method.toUpperCase()} ${name}`);
});
