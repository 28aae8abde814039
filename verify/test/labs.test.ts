// docs/labs.md says what is there. That its commands print what it promises is seen by .ci/readme.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../test/copy.ts';
import { chapters } from '../check.ts';
import { checks } from '../checks/all.ts';

const file = join(root, 'docs/labs.md');
const read = (path: string) => readFileSync(join(root, 'docs', path), 'utf8').split('\n');

/** [`text`](path#L12): line 12 of the file has the text. */
const links = /\[`([^`]+)`\]\(([^)#]+)(?:#L(\d+))?\)/g;

/** The document with the lines where each text is now: of several the one that has moved least. */
function withLines(document: string): string {
  return document.replaceAll(links, (link, text: string, path: string, line?: string) => {
    if (line === undefined) return link;
    const having = read(path).flatMap((one, n) => (one.includes(text) ? [n + 1] : []));
    const [nearest = 0] = having.toSorted((a, b) => Math.abs(a - Number(line)) - Math.abs(b - Number(line)));
    return `[\`${text}\`](${path}#L${nearest})`;
  });
}

// `UPDATE_LABS=1 npm test -- --project verify labs` follows lines that have moved.
if (process.env.UPDATE_LABS === '1') writeFileSync(file, withLines(readFileSync(file, 'utf8')));

const document = readFileSync(file, 'utf8');
const sections = new Map(document.split(/^## /m).slice(1).map((section) => [section.slice(0, section.indexOf('\n')), section]));

describe('docs/labs.md', () => {
  it('has a section for each chapter, in the order of the week, with commands and checks', () => {
    expect([...sections.keys()]).toEqual([...chapters]);
    for (const section of sections.values()) {
      expect(section).toMatch(/^```(sh|console)$/m);
      expect(section.includes('```sh')).toBe(section.includes('```text')); // what they print
      expect(section).toMatch(/\bchecks\b/i);
    }
  });

  it.each([...document.matchAll(links)].map(([, text = '', path = '', line]) => [text, path, line] as const))('%s is in %s, line %s', (text, path, line) => {
    const lines = read(path);
    expect(line === undefined ? text : lines[Number(line) - 1]).toContain(text);
  });

  it('names each check in the section of its chapter, and no other', () => {
    const named = [...sections].flatMap(([chapter, section]) => {
      const list = /^Checks: ([^]*?)\n(?:\n|$)/m.exec(section)?.[1] ?? '';
      return [...list.matchAll(/`([\w.-]+)`/g)].map(([, id]) => `${chapter}: ${id}`);
    });
    expect(named.toSorted()).toEqual(checks.map(({ chapter, id }) => `${chapter}: ${id}`).toSorted());
  });
});
