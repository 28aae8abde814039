import type { Definition } from '../../check.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

export const check: Definition = {
  id: 'database.table',
  chapter: 'Database operations',
  points: 2,
  async run(project) {
    const columns = await columnsOf(project);
    if (columns.size === 0) return [say('database.table.missing')];
    const missing = ['id', 'title', 'status', 'created_at'].filter((name) => !columns.has(name));
    return missing.map((column) => say('shared.no-column', { column }));
  },
};
