// docs/labs.md matches the repository. (.ci/readme tests that its commands print what it says.)
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './root.ts';
import { chapters } from '../check.ts';
import { checks } from '../checks/all.ts';

/** [`text`](path): the file must contain the text. */
const links = /\[`([^`]+)`\]\((\.\.\/[^)#]+)\)/g;

const document = readFileSync(join(root, 'docs/labs.md'), 'utf8');
const sections = new Map(
  document
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
);

describe('docs/labs.md', () => {
  it('has a section for each chapter, in the order of the week, with commands and checks', () => {
    expect([...sections.keys()]).toEqual([...chapters]);
    for (const section of sections.values()) {
      expect(section).toMatch(/^```(sh|console)$/m);
      expect(section.includes('```sh')).toBe(section.includes('```text')); // what they print
      expect(section).toMatch(/\bchecks\b/i);
    }
  });

  const linked = [...document.matchAll(links)].map(([, text = '', path = '']) => ({ text, path }));

  it.each(linked)('$text is in $path', ({ text, path }) => {
    expect(readFileSync(join(root, 'docs', path), 'utf8')).toContain(text);
  });

  it('names each check in the section of its chapter, and no other', () => {
    const named = [...sections].flatMap(([chapter, section]) => {
      const list = /^Checks: ([^]*?)\n(?:\n|$)/m.exec(section)?.[1] ?? '';
      return [...list.matchAll(/`([\w.-]+)`/g)].map(([, id]) => `${chapter}: ${id}`);
    });
    expect(named.toSorted()).toEqual(
      checks.map(({ chapter, id }) => `${chapter}: ${id}`).toSorted(),
    );
  });
});
