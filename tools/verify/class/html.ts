// The pages: one for the class, one for each submission. Static, without scripts and without links
// to other hosts; every text is escaped where it is put in.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Judgement, Verdict } from './judgement.ts';
import { escaped } from './plain.ts';
import { byChapter, percentOf, type Score, scoreOf } from './score.ts';
import { remarkOf } from './table.ts';
import type { Weights } from './weights.ts';

const style = readFileSync(join(import.meta.dirname, 'page.css'), 'utf8');
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'";

function page(title: string, body: string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>`,
    `<style>\n${style}</style>`,
    `<h1>${escaped(title)}</h1>`,
    ...body,
    '</html>',
    '',
  ].join('\n');
}

const shown = ({ made, of }: Score) => `${made} of ${of}`;
const number = (text: string | number) => `<td class="number">${text}</td>`;

/** The page of the class. `links` has the page of each submission, in the same order. */
export function classPage(judgements: Judgement[], links: string[], weights: Weights): string {
  const rows = judgements.map((judgement, n) => {
    const score = scoreOf(judgement.checks, weights);
    const link = `<a href="${escaped(links[n] ?? '')}">${escaped(judgement.folder)}</a>`;
    const remark = escaped(remarkOf(judgement));
    const cells = `${number(shown(score))}${number(`${percentOf(score)} %`)}<td>${remark}</td>`;
    return `<tr><td>${link}</td>${cells}</tr>`;
  });
  const titles =
    '<th>Submission</th><th class="number">Points</th><th class="number"></th><th></th>';
  return page('Submissions', [
    `<table>\n<tr>${titles}</tr>`,
    ...rows,
    '</table>',
    '<h2>Checks that failed most often</h2>',
    ...mostFailed(judgements),
  ]);
}

/** What the whole class may want to hear about again. */
function mostFailed(judgements: Judgement[]): string[] {
  const failed = judgements.flatMap(({ checks }) => checks).filter(isFailed);
  const titles = new Map(failed.map(({ id, title }) => [id, title]));
  const counts = [...titles].map(([id, title]) => ({
    title,
    count: failed.filter((verdict) => verdict.id === id).length,
  }));
  const sorted = counts.toSorted((a, b) => b.count - a.count).slice(0, 10);
  const rows = sorted.map(
    ({ title, count }) => `<tr><td>${escaped(title)}</td>${number(count)}</tr>`,
  );
  return ['<table>', ...rows, '</table>'];
}

const isFailed = ({ outcome }: Verdict) => outcome === 'failed';

/** The page of one submission: points by chapter, then what was seen and how to fix it. */
export function submissionPage(judgement: Judgement, weights: Weights): string {
  const { folder, refused, notes } = judgement;
  const score = scoreOf(judgement.checks, weights);
  const chapters = byChapter(judgement);
  return page(folder, [
    `<p><strong>${shown(score)} points</strong> (${percentOf(score)} %)</p>`,
    ...(refused.length > 0 ? ['<h2>Refused: no part of it was run</h2>', list(refused)] : []),
    ...notes.map((note) => `<pre>${escaped(note)}</pre>`),
    '<table>\n<tr><th>Chapter</th><th class="number">Points</th></tr>',
    ...chapters.map(([name, verdicts]) => chapterRow(name, scoreOf(verdicts, weights))),
    '</table>',
    ...(refused.length > 0 ? [] : chapters.flatMap((part) => chapterPart(part, weights))),
  ]);
}

const list = (items: string[]) =>
  `<ul>${items.map((item) => `<li>${escaped(item)}</li>`).join('')}</ul>`;

const chapterRow = (name: string, score: Score) =>
  `<tr><td>${escaped(name)}</td>${number(shown(score))}</tr>`;

function chapterPart([name, verdicts]: [string, Verdict[]], weights: Weights): string[] {
  const open = verdicts.filter(({ outcome }) => outcome !== 'passed');
  const passed = verdicts.filter(({ outcome }) => outcome === 'passed');
  return [
    `<h2>${escaped(name)}</h2>`,
    ...open.map((verdict) => article(verdict, weights.get(verdict.id) ?? 0)),
    ...(passed.length > 0 ? ['<p>Passed:</p>', list(passed.map(({ title }) => title))] : []),
  ];
}

function article(verdict: Verdict, points: number): string {
  const { id, title, outcome, seen, reason, why, fix } = verdict;
  const heading = `<h3>${escaped(title)}</h3>\n<p><code>${escaped(id)}</code>, ${points} points: `;
  const open = `<article class="${outcome.replaceAll(' ', '-')}">\n${heading}`;
  if (outcome !== 'failed') return `${open}${escaped(`${outcome}, ${reason}`)}</p>\n</article>`;
  return [
    `${open}failed</p>`,
    `<p>Seen:</p>\n<pre>${escaped(seen.join('\n'))}</pre>`,
    `<p>${escaped(why)}</p>`,
    `<p>How to fix it:</p>\n<pre>${escaped(fix)}</pre>`,
    '</article>',
  ].join('\n');
}
