// Judges variants of the course's project by their files: nothing is booted.
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, inject, it } from 'vitest';
import { Course } from '../../test/course.ts';
import { differences } from '../../test/expected.ts';

/** What a student did, and the checks that fail because of it: none if it is right. */
export type Variant = [what: string, change: (course: Course) => void, ...failed: string[]];

/** A test for each variant: of the checks of a group, exactly these fail. */
export function judge(group: string, only: string[], variants: Variant[]): void {
  describe.skipIf(inject('notRunBecause')).concurrent(`${group} of students`, () => {
    it.for(variants)('%s', async ([, change, ...failed], { expect, onTestFinished }) => {
      const course = new Course();
      onTestFinished(() => rmSync(course.directory, { recursive: true }));
      change(course);
      const report = await course.check({ only });
      const blocked = report.results.filter(({ reason }) =>
        failed.some((id) => reason === `blocked by ${id}`),
      );
      const notRun = blocked.map(({ check }) => check.id);
      expect(differences(report, failed, notRun)).toEqual([]);
    });
  });
}

/** Writes a file, in a new directory if need be. */
export function write(course: Course, path: string, text: string): void {
  mkdirSync(dirname(join(course.directory, path)), { recursive: true });
  course.write(path, text);
}

/** Adds lines to a service of compose.yml, each as in the service itself. */
export function add(course: Course, service: string, ...lines: string[]): void {
  const text = lines.map((line) => `    ${line}\n`).join('');
  course.editService(service, '    networks:', `${text}    networks:`);
}

/** Adds lines to a settings file. */
export function set(course: Course, file: string, ...lines: string[]): void {
  course.write(file, `${course.read(file)}${lines.join('\n')}\n`);
}
