import { z } from 'zod';
import { decodeCursor } from './cursor.ts';

// .meta() tells the API's documentation what a refinement checks.

/** Text that PostgreSQL can store: at most `max` code points, no NUL, no lone surrogate. */
function checkText(schema: z.ZodString, max: number) {
  return schema
    .refine((text) => text.isWellFormed(), 'must be valid Unicode')
    .refine((text) => !text.includes('\0'), 'must not contain the NUL character')
    .refine((text) => [...text].length <= max, `must be at most ${max} characters long`)
    .meta({ maxLength: max });
}
const notEmpty = (text: z.ZodString) =>
  text.refine((value) => value !== '', 'must not be empty').meta({ minLength: 1 });

/** A whole number from 1 to `max`, in decimal digits. */
function wholeNumber(text: z.ZodString, max: number) {
  const message = `must be a whole number from 1 to ${max}`;
  return text
    .regex(/^[0-9]+$/, message)
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, message)
    .meta({ type: 'integer', minimum: 1, maximum: max });
}

const string = z.string('must be a string').trim();

/**
 * The fields that a request can set. Each is a column of `tasks` with the same name. A default
 * belongs in NewTask. Here it would also apply to changes, and overwrite values of existing tasks.
 */
const fields = {
  title: notEmpty(checkText(string, 255)),
  status: notEmpty(checkText(string, 50)),
};
export const columns = Object.keys(fields);

const maxId = 2_147_483_647; // the maximum of a SERIAL column

/** A task in a response. */
export const Task = z
  .strictObject({
    id: z.int().min(1).max(maxId),
    ...fields,
    created_at: z.string().meta({ format: 'date-time' }),
  })
  .required();

/** Names of columns as a list in SQL. */
export const listOf = (names: string[]) => names.map((name) => `"${name}"`).join(', ');

/**
 * The SQL expression that turns a row into the JSON of a Task. created_at keeps its microseconds,
 * which a Date would lose, and the API need not serialize the row.
 */
export const taskJson = `(
  SELECT row_to_json(task)::text FROM (SELECT id, ${listOf(columns)},
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS created_at
  ) AS task) AS json`;

/** A task as JSON text, ready to send. */
export type TaskJson = string;

export interface Row {
  id: number;
  json: TaskJson;
}

/** A field that must be given. errors.ts recognises a missing one by `params`. */
const required = <Schema extends z.ZodType>(name: string, schema: Schema) =>
  z.preprocess((value, context) => {
    const message = `Missing '${name}' in request body`;
    if (value === undefined)
      context.addIssue({ code: 'custom', params: { missing: true }, message });
    return value;
  }, schema);

const body = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object(shape, 'Request body must be a JSON object');

/** The body of POST. Unknown keys are dropped, so a client cannot set id or created_at. */
export const NewTask = body({
  ...fields,
  title: required('title', fields.title),
  status: fields.status.default('pending'),
});
export type NewTask = z.infer<typeof NewTask>;

/** Identifies a POST: repeating the POST with the same key does not create a second task. */
export const IdempotencyKey = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[!-~]{1,255}$/, 'must be 1 to 255 visible ASCII characters, given once'),
});

/** The body of PUT and PATCH: fields that are absent stay as they are. */
export const TaskChange = body(fields)
  .partial()
  .refine(
    (change) => Object.values(change).some((value) => value !== undefined),
    `Give at least one of: ${columns.join(', ')}`,
  )
  .meta({ anyOf: columns.map((name) => ({ required: [name] })) });
export type TaskChange = z.infer<typeof TaskChange>;

/** The id in a path: decimal digits in the range of the SERIAL column. */
export const TaskPath = z.object({ id: wholeNumber(z.string(), maxId) });

// A parameter given twice arrives as an array.
const parameter = () => z.string('must be given once');

/** The query of the list. */
export const ListQuery = z.object({
  limit: wholeNumber(parameter(), 500).default(100),
  status: notEmpty(checkText(parameter(), 50)).optional(),
  q: checkText(parameter(), 255).optional(),
  cursor: parameter()
    .transform((cursor, context) => {
      const decoded = decodeCursor(cursor);
      if (!decoded) context.addIssue("must be the 'next_cursor' of an earlier response");
      return decoded;
    })
    .meta({ type: 'string', description: "The 'next_cursor' of an earlier response" })
    .optional(),
});
export type ListQuery = z.infer<typeof ListQuery>;
