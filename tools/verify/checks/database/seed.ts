import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { Blocked } from '../../errors.ts';
import { sqlRows } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';
import { filesBelow, initFiles, textOf } from '../../tree.ts';
import { columnsOf } from './columns.ts';

/** How often each title of the first minute is there now. Tasks of the checks do not count. */
const titles = (mark: string) => `
  WITH theirs AS (SELECT * FROM tasks WHERE position('${mark}' in lower(title)) = 0)
  SELECT count(*), title
  FROM theirs
  GROUP BY title
  HAVING min(created_at) < (SELECT min(created_at) FROM theirs) + interval '1 minute'
  ORDER BY title`;

/** What may insert tasks by itself: the init files, and the source of the images. */
async function sources(project: Project): Promise<string[]> {
  const { services } = await wholeModel(project);
  const contexts = Object.values(services).flatMap(({ build }) => build?.context ?? []);
  return [...(await initFiles(project)), ...contexts.flatMap(filesBelow)].map(textOf);
}

export const check: Definition = {
  id: 'database.seed',
  chapter: 'Database operations',
  points: 1,
  async run(project) {
    const columns = await columnsOf(project);
    if (!columns.has('title') || !columns.has('created_at')) throw new Blocked('database.table');
    const texts = await sources(project);
    const rows = await sqlRows(project, titles(project.mark));
    // Not the tasks that somebody has added by hand.
    const seeds = rows
      .map(([count, ...title]) => ({ count: Number(count), title: title.join('|') }))
      .filter(({ title }) => title !== '' && texts.some((text) => text.includes(title)));
    const isDoubled = seeds.length > 1 && seeds.every(({ count }) => count > 1);
    return isDoubled
      ? seeds.map(({ count, title }) => say('database.seed.doubled', { count, title }))
      : [];
  },
};
