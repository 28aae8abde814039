import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { sql } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

const countKeysOnId = `
  SELECT count(*)
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = 'tasks'::regclass AND a.attname = 'id'
    AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL`;

/** Tries to add a task, and does not keep it. Returns its title as SQL; undefined if refused. */
async function titleOf(project: Project, values: string): Promise<string | undefined> {
  const insert = `INSERT INTO tasks ${values} RETURNING 'title: ' || quote_nullable(title)`;
  const output = await sql(project, `BEGIN;\n${insert};\nROLLBACK;`).catch(() => undefined);
  return output && /^title: (.*)$/m.exec(output)?.[1];
}

/** A rule of the table may be NOT NULL, a CHECK or a trigger: it is tried. */
async function faultsOfTitle(project: Project): Promise<string[]> {
  if ((await titleOf(project, "(title) VALUES ('a task of verify')")) === undefined)
    throw new NotPossible(say('database.constraints.takes-no-task'));
  const given = await titleOf(project, '(title) VALUES (NULL)');
  const byDefault = await titleOf(project, '(title) VALUES (DEFAULT)');
  if ([given, byDefault].includes('NULL')) return [say('database.constraints.null-title')];
  if (byDefault === undefined) return [];
  return [say('database.constraints.default-title', { title: byDefault })];
}

export const check: Definition = {
  id: 'database.constraints',
  chapter: 'Database operations',
  points: 1,
  async *run(project) {
    const columns = await columnsOf(project);
    if (columns.size === 0) throw new NotPossible(say('database.table.missing'));
    const missing = ['id', 'title'].find((name) => !columns.has(name));
    if (missing !== undefined) throw new NotPossible(say('shared.no-column', { column: missing }));
    if ((await sql(project, countKeysOnId)) === '0') yield say('database.constraints.no-key');
    yield* await faultsOfTitle(project);
  },
};
