import { type Check, snippet } from '../../check.ts';
import { columnsOf } from './columns.ts';

export const check: Check = {
  id: 'database.table',
  title: 'The table tasks exists, with id, title, status and created_at',
  chapter: 'Database operations',
  points: 2,
  why: 'It shows that the init files have run, and the commands of the lab need these columns.',
  fix: snippet`
    -- db/init/01_schema.sql; runs on an empty volume only
    CREATE TABLE tasks (
      id SERIAL PRIMARY KEY,
      title VARCHAR(255) NOT NULL,
      status VARCHAR(50) NOT NULL DEFAULT 'pending',
      created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
    -- then: docker compose down -v (this deletes all tasks), and docker compose up -d
  `,
  async run(project) {
    const columns = await columnsOf(project);
    if (columns.size === 0) return ['there is no table tasks'];
    const missing = ['id', 'title', 'status', 'created_at'].filter((name) => !columns.has(name));
    return missing.map((name) => `tasks has no column ${name}`);
  },
};
