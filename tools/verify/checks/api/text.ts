import { type Check, snippet } from '../../check.ts';
import { create, lookUp, seen, titleFor } from '../../tasks.ts';

export const check: Check = {
  id: 'api.text',
  title: 'Text comes back exactly as it was sent',
  chapter: 'Composing the app',
  points: 2,
  why:
    'A quote that breaks the statement is an SQL injection. ' +
    'Letters that come back changed are lost.',
  fix: snippet`
    # a parameter, never an f-string
    cur.execute("INSERT INTO tasks (title) VALUES (%s) RETURNING *", (data["title"],))
  `,
  async run(project) {
    const title = titleFor(project, `O'Reilly; "--" <b>&amp;</b> \\ % é 漢 🙂`);
    const answer = await create(project, { title });
    if (answer.status >= 400) return [seen('POST of quotes and Unicode', answer)];
    if (await lookUp(project, (task) => task.title === title)) return [];
    const start = titleFor(project, 'O');
    const found = await lookUp(project, (task) => task.title.includes(start));
    return [`sent ${title}, listed ${found?.title ?? 'nothing of it'}`];
  },
};
