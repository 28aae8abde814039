// The course's own project, as a student has it at the end of the week.
import { afterAll, describe, inject, it } from 'vitest';
import { Course } from './course.ts';
import { passesAll } from './expected.ts';

describe.skipIf(inject('notRunBecause'))('the Flask project of the course', () => {
  const course = new Course('flask');
  afterAll(() => course.remove());

  it('passes every check right after `up -d`, the destructive too', async () => {
    await passesAll(course);
  }, 600_000);
});
