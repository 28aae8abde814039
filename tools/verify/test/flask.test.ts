// The course's own project, as a student has it at the end of the week.
import { afterAll, describe, expect, inject, it } from 'vitest';
import { Course } from './course.ts';
import { differences } from './expected.ts';

describe.skipIf(inject('notRunBecause'))('the Flask project of the course', () => {
  const course = new Course('flask');
  afterAll(() => course.remove());

  it('passes every check right after `up -d`, the destructive too', async () => {
    await course.compose('up', '-d', '--build');
    const tasks = () => course.sql('TABLE tasks ORDER BY id');
    const before = await tasks();
    const report = await course.check({ destructive: true }, { mayRunScripts: true });
    expect(differences(report, [])).toEqual([]);
    expect(await tasks()).toBe(before);
  }, 600_000);
});
