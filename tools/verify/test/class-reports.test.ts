// What a class leaves behind: nothing here needs Docker.
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checks } from '../checks/all.ts';
import { asCsv } from '../class/csv.ts';
import { classPage, submissionPage } from '../class/html.ts';
import { type Judgement, plainJudgement, verdictsIn, verdictsWithout } from '../class/judgement.ts';
import { asJunit } from '../class/junit.ts';
import { parse } from '../class/options.ts';
import { plain } from '../class/plain.ts';
import { writeReports } from '../class/reports.ts';
import { byChapter, percentOf, scoreOf } from '../class/score.ts';
import { turns } from '../class/stage.ts';
import { Store } from '../class/store.ts';
import { fingerprintOf, submissionsIn } from '../class/submissions.ts';
import { asTable } from '../class/table.ts';
import { weightsIn } from '../class/weights.ts';
import { root } from './root.ts';

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-class-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Escape codes, markup, quotes, a formula, and a character that turns the direction. */
const nasty = '=1+1\u001B[1A\u001B[2K\u009B31m<script>alert(1)</script>"\'&\u202E]]>';

/** The first check passed, the second failed, the third could not be run, the fourth was skipped. */
function judgementOf(folder: string, seen = 'wrong'): Judgement {
  const outcomes = ['passed', 'failed', 'not run', 'skipped'] as const;
  const written = outcomes.map((outcome, n) => {
    const { id, title, chapter, points } = checks[n] ?? { id: '' };
    const explained = outcome === 'failed' ? { seen: [seen] } : { reason: seen };
    return { id, title, chapter, points, outcome, ms: 10, ...explained };
  });
  const verdicts = verdictsIn(JSON.stringify({ checks: written }));
  const rest = { fingerprint: 'f', refused: [], notes: [], ms: 1_500 };
  return plainJudgement({ folder, checks: verdicts, ...rest });
}

const weights = weightsIn(undefined);
const raw = /(?!\n)[\p{Cc}\u202E]/u;

describe('a text of a submission', () => {
  it('has no character left that controls a terminal or hides others', () => {
    expect(plain('a\u001B[2Kb\u009Bc\u202Ed\uD800e\r\n\t✓')).toBe(
      'a\\x1b[2Kb\\x9bc\\u202ed\\ud800e\\x0d\n\t✓',
    );
    expect(plain('x'.repeat(2_000))).toHaveLength(1_002);
  });

  it('is escaped in every report', () => {
    const judgement = judgementOf(nasty, nasty);
    judgement.notes.push(plain(nasty));
    const refused = { ...judgement, refused: [plain(nasty)] };
    const list = [judgement, refused];
    const pages = [
      classPage(list, ['a.html', 'b.html'], weights),
      submissionPage(judgement, weights),
      submissionPage(refused, weights),
    ];
    for (const text of [...pages, asJunit(list, weights)]) {
      expect(text).not.toMatch(/<script/i);
      expect(text.replaceAll('\n', '')).not.toMatch(raw);
      expect(text).toContain('&#60;script&#62;');
    }
    for (const text of [asTable(list, weights), asCsv(list, weights).replaceAll('\r\n', '\n')])
      expect(text.replaceAll('\n', '')).not.toMatch(raw);
  });

  it('is no formula in a spreadsheet', () => {
    const [, row = ''] = asCsv([judgementOf('=HYPERLINK("x")')], weights).split('\r\n');
    expect(row).toMatch(/^"'=HYPERLINK\(""x""\)",/);
  });
});

describe('the reports', () => {
  const list = [judgementOf('ada'), judgementOf('bob')];

  it('are a table and CSV with the points of each submission', () => {
    const [first] = list;
    const { made, of } = scoreOf(first?.checks ?? [], weights);
    expect(asTable(list, weights)).toMatch(
      new RegExp(`^ada +${made}/${of} +\\d+ % +2 s +1 failed, 1 not run$`, 'm'),
    );
    const rows = asCsv(list, weights).trim().split('\r\n');
    expect(rows[0]).toMatch(/^submission,points,of,percent,.*,remark$/);
    expect(rows[2]).toMatch(new RegExp(`^bob,${made},${of},${Math.floor((made / of) * 100)},`));
  });

  it('are JUnit XML with a suite for each submission', () => {
    const xml = asJunit(list, weights);
    expect(xml).toContain(
      '<testsuite name="ada" tests="4" failures="1" errors="1" skipped="1" time="1.500">',
    );
    expect(xml.match(/<testcase /g)).toHaveLength(8);
    // Every element that is opened is closed, in order.
    const open: string[] = [];
    const wrong: string[] = [];
    for (const [, end, name = '', self] of xml.matchAll(/<(\/?)(\w+)(?:\s[^<>]*?)?(\/?)>/g)) {
      if (!end && !self) open.push(name);
      if (end && open.pop() !== name) wrong.push(name);
    }
    expect([open, wrong]).toEqual([[], []]);
  });

  it('are a page for each submission: its points by chapter, what was seen, how to fix it', () => {
    const [first] = list;
    const html = first ? submissionPage(first, weights) : '';
    const failed = checks[1];
    for (const text of ['wrong', failed?.title, failed?.chapter]) expect(html).toContain(text);
    expect(html).toContain('How to fix it');
    expect(html).toContain("default-src 'none'");
  });

  it('are files, linked from the page of the class', () => {
    const directory = newDirectory();
    writeReports(directory, new Map([['ada-1', judgementOf('ada')]]), weights);
    expect(readdirSync(directory).toSorted()).toEqual([
      'class.csv',
      'class.junit.xml',
      'index.html',
      'students',
    ]);
    const html = readFileSync(join(directory, 'index.html'), 'utf8');
    const [, link = ''] = /href="([^"]+)">ada</.exec(html) ?? [];
    expect(existsSync(join(directory, link))).toBe(true);
  });
});

describe('the points', () => {
  const weightsOf = (text: string) => {
    const path = join(newDirectory(), 'weights.json');
    writeFileSync(path, text);
    return weightsIn(path);
  };

  it('are those of the checks, or what the file says', () => {
    const [first, second] = checks;
    const own = weightsOf(JSON.stringify({ [first?.id ?? '']: 10, [second?.id ?? '']: 0 }));
    const { checks: verdicts } = judgementOf('ada');
    const third = checks[2]?.points ?? 0;
    expect(scoreOf(verdicts, own)).toEqual({ made: 10, of: 10 + third });
    expect(own.get(checks[5]?.id ?? '')).toBe(checks[5]?.points);
  });

  it.each([
    ['{"api.speed": 1}', '--weights: api.speed is no check'],
    ['{"api.create": "5"}', '--weights: the points of api.create are no number'],
    ['{"api.create": -1}', '--weights: the points of api.create are no number'],
    ['[1]', 'is no JSON object'],
    ['{', '--weights: '],
  ])('are not taken from %s', (text, message) => {
    expect(() => weightsOf(text)).toThrow(message);
  });

  it('count a check that could not run as not passed, and leave out what was skipped', () => {
    const verdicts = verdictsWithout('refused', false);
    const all = checks.filter(({ destructive }) => !destructive);
    const of = all.reduce((sum, { points }) => sum + points, 0);
    expect(scoreOf(verdicts, weights)).toEqual({ made: 0, of });
    const [first] = verdicts;
    if (first) Object.assign(first, { outcome: 'skipped', blockedBy: 'health.running' });
    expect(scoreOf(verdicts, weights)).toEqual({ made: 0, of });
    expect(percentOf({ made: 199, of: 200 })).toBe(99);
    expect(percentOf({ made: 0, of: 0 })).toBe(0);
    const byPart = byChapter({ ...judgementOf('x'), checks: verdicts });
    const parts = byPart.map(([, part]) => scoreOf(part, weights).of);
    expect(parts.reduce((a, b) => a + b, 0)).toBe(of);
  });
});

describe('a run that was interrupted', () => {
  it('finds the judgements that it has, and no others', () => {
    const directory = newDirectory();
    const judgement = judgementOf('ada');
    new Store(directory).keep('ada-1', judgement);
    writeFileSync(join(directory, 'results', 'bob-1.json'), '{"folder":');
    const store = new Store(directory);
    expect(store.find('ada-1')).toEqual(judgement);
    expect(store.find('bob-1')).toBeUndefined();
    expect(store.find('eve-1')).toBeUndefined();
  });

  it('is the only one with its reports, but no longer than it lives', () => {
    const directory = newDirectory();
    const store = new Store(directory);
    store.acquire();
    expect(() => new Store(directory).acquire()).toThrow(`process ${process.pid} is at work there`);
    store.release();
    writeFileSync(join(directory, 'results', 'running'), '999999999');
    expect(() => store.acquire()).not.toThrow();
  });

  it('grades again what has changed since', () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'a'), 'x');
    const before = fingerprintOf(directory, 'false');
    expect(fingerprintOf(directory, 'false')).toBe(before);
    expect(fingerprintOf(directory, 'true')).not.toBe(before);
    writeFileSync(join(directory, 'a'), 'y');
    expect(fingerprintOf(directory, 'false')).not.toBe(before);
  });

  it('does one thing at a time where it must, also after a failure', async () => {
    const inTurn = turns();
    const order: number[] = [];
    const first = inTurn(() => Promise.reject(new Error('no')));
    const tasks = [1, 2].map((n) => inTurn(() => Promise.resolve(order.push(n))));
    await expect(first).rejects.toThrow('no');
    await Promise.all(tasks);
    expect(order).toEqual([1, 2]);
  });
});

describe('the submissions', () => {
  it('are the folders, each with a key that is fit for a file and a project', () => {
    const directory = newDirectory();
    const names = ['Ada Lovelace', 'ada-lovelace', '\u001B[2K<b>', 'x'.repeat(200), '.cache'];
    for (const name of names) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'notes.txt'), '');
    const submissions = submissionsIn(directory);
    expect(submissions.map(({ folder }) => folder)).not.toContain('.cache');
    expect(new Set(submissions.map(({ key }) => key)).size).toBe(4);
    for (const { key } of submissions) expect(key).toMatch(/^[a-z0-9][a-z0-9-]{1,46}$/);
  });
});

describe('npm run verify -- --class', () => {
  const command = async (...args: string[]) => {
    const main = join(root, 'tools/verify/main.ts');
    const env = { ...process.env, DOCKER_HOST: 'unix:///nonexistent.sock', INIT_CWD: tmpdir() };
    return promisify(execFile)(process.execPath, [main, ...args], { env }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };

  it('explains itself', async () => {
    const { code, stdout } = await command('--class', '--help');
    expect(code).toBe(0);
    for (const word of ['--jobs', '--report', '--weights', '--destructive', 'class.csv'])
      expect(stdout).toContain(word);
  });

  it('prints the weights as a file that it takes', async () => {
    const { code, stdout } = await command('--print-weights');
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(checks.map(({ id }) => id));
  });

  it.each([
    ['a directory that is not there', ['--class', 'no-such'], 'is not a directory'],
    ['no directory', ['--class', ''], 'no directory is named'],
    ['too many jobs', ['--class', '.', '--jobs', '99'], '--jobs: 99'],
    ['reports among the submissions', ['--class', '.', '--report', './x'], 'among the submissions'],
    ['an option of a single project', ['--class', '.', '--url', 'http://x'], '--url'],
  ])('ends with 2 on %s', async (_what, args, message) => {
    const { code, stderr } = await command(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(stderr).toContain('--class DIR [OPTIONS]');
  });

  it('runs nothing where builds cannot be limited', async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, 'class/ada'), { recursive: true });
    const { code, stderr } = await command('--class', join(directory, 'class'));
    expect([code, stderr]).toEqual([2, expect.stringContaining('control group')]);
  });

  it('puts its reports beside the submissions', () => {
    const directory = join(newDirectory(), 'class');
    mkdirSync(directory);
    const options = parse(['--class', directory], {});
    expect(options).toMatchObject({ report: `${directory}-verify`, jobs: 1, buildMs: 240_000 });
  });
});
