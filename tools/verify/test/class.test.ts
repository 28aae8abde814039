// A class of twelve on the engine, some of them hostile. It is interrupted once, and then goes on.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Judgement } from '../class/judgement.ts';
import { scoreOf } from '../class/score.ts';
import { fingerprintOf, submissionsIn } from '../class/submissions.ts';
import { weightsIn } from '../class/weights.ts';
import { grade, Submitted } from './submission.ts';

const nasty = 'nasty \u001B[1A\u001B[2K<b>';

/** The class: how each submission differs from the course's project. */
const variants: Record<string, (fixture: Submitted) => void> = {
  'ada, as in the course': () => undefined,
  'other names': (fixture) => {
    for (const kind of ['', '.override', '.prod'])
      renameSync(fixture.path(`compose${kind}.yml`), fixture.path(`docker-compose${kind}.yml`));
    fixture.edit('docker-compose.yml', '    init: true', '    container_name: api');
  },
  'wrong status': (fixture) => fixture.edit('api/server.js', '[201, { task }]', '[200, { task }]'),
  [nasty]: (fixture) =>
    fixture.edit('api/server.js', '[404, { error: `Task', '[418, { error: `\u001B[1A<script>Task'),
  'broken build': (fixture) => fixture.edit('api/Dockerfile', 'npm ci', 'npm no-such-command'),
  'broken file': (fixture) => fixture.edit('compose.yml', 'services:', 'services: ['),
  'hostile build': (fixture) => fixture.hostile('endless.Dockerfile', 'api/Dockerfile'),
  'hostile bomb': (fixture) => {
    fixture.hostile('bomb.js', 'api/server.js');
    fixture.edit('compose.yml', 'start_period: 20s', 'start_period: 2s');
  },
  'hostile disk': (fixture) => fixture.hostile('fill.js', 'api/server.js'),
  'refused machine': (fixture) => {
    fixture.edit('compose.yml', '    init: true', '    privileged: true');
    fixture.edit(
      'compose.yml',
      './nginx/default.conf:/etc/nginx/conf.d/default.conf:ro',
      '/:/host',
    );
  },
  'refused socket': (fixture) =>
    fixture.edit(
      'compose.yml',
      '- pgdata:',
      '- /var/run/docker.sock:/docker.sock\n      - pgdata:',
    ),
  'refused link': (fixture) => symlinkSync('/etc', fixture.path('docs/etc')),
};

const weights = weightsIn(undefined);
const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' });

describe.skipIf(inject('notRunBecause'))('a class of twelve', () => {
  const place = mkdtempSync(join(tmpdir(), 'taskapp-class-test-'));
  const [directory, report] = [join(place, 'class'), join(place, 'report')];
  const temporary = join(place, 'tmp');
  const args = ['--class', directory, '--report', report, '--jobs', '2'];
  const small = ['--build-limit', '25', '--disk-limit', '300'];
  const before = new Map<string, string>();
  let first = { code: -1, output: '' };
  let second = { code: -1, output: '' };
  let afterFirst: string[] = [];

  /** Whatever the engine has of this class. */
  function remains(): string[] {
    const filter = ['--filter', 'label=taskapp.verify.class', '--quiet'];
    const lists = [
      ['ps', '--all'],
      ['volume', 'ls'],
      ['network', 'ls'],
      ['image', 'ls'],
    ];
    return lists.flatMap((list) =>
      docker(...list, ...filter)
        .split('\n')
        .filter(Boolean),
    );
  }

  function judgementOf(folder: string): Judgement {
    const submission = submissionsIn(directory).find((one) => one.folder === folder);
    const path = join(report, 'results', `${submission?.key}.json`);
    return JSON.parse(readFileSync(path, 'utf8')) as Judgement;
  }

  const idsOf = (folder: string, outcome: string) =>
    judgementOf(folder)
      .checks.filter((check) => check.outcome === outcome)
      .map(({ id }) => id);

  beforeAll(async () => {
    for (const path of [directory, temporary]) mkdirSync(path);
    for (const [name, change] of Object.entries(variants))
      change(new Submitted(join(directory, name)));
    for (const { folder, path } of submissionsIn(directory))
      before.set(folder, fingerprintOf(path, ''));
    first = await grade([...args, ...small], temporary, 2);
    afterFirst = remains();
    second = await grade([...args, ...small], temporary);
  }, 900_000);
  afterAll(() => rmSync(place, { recursive: true }));

  it('ends when the terminal is closed, and leaves nothing behind', () => {
    expect(first).toMatchObject({
      code: 1,
      output: expect.stringContaining('of 12 graded') as unknown,
    });
    expect(first.output).not.toContain('12 of 12');
    expect(afterFirst).toEqual([]);
  });

  it('resumes, grades all, and leaves nothing behind', () => {
    expect(second).toMatchObject({
      code: 0,
      output: expect.stringContaining('12 of 12 graded') as unknown,
    });
    expect(remains()).toEqual([]);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('changes nothing in the folders', () => {
    for (const { folder, path } of submissionsIn(directory))
      expect([folder, fingerprintOf(path, '')]).toEqual([folder, before.get(folder)]);
  });

  it.each(['ada, as in the course', 'other names'])('gives full marks to %s', (folder) => {
    const { checks, ms } = judgementOf(folder);
    const { made, of } = scoreOf(checks, weights);
    expect(idsOf(folder, 'failed')).toEqual([]);
    expect(idsOf(folder, 'not run')).toEqual([]);
    expect([made, ms < 90_000]).toEqual([of, true]);
  });

  it('takes points for a fault', () => {
    expect(idsOf('wrong status', 'failed')).toEqual(['api.create']);
    expect(idsOf('wrong status', 'not run')).toEqual([]);
  });

  it('says why an image cannot be built, and grades the rest', () => {
    const { notes, checks } = judgementOf('broken build');
    expect(notes.join()).toContain('no-such-command');
    expect(scoreOf(checks, weights).made).toBeGreaterThan(0);
  });

  it('ends an endless build', () => {
    expect(judgementOf('hostile build').notes.join()).toContain('not done within 25 s');
  });

  it('keeps a fork bomb and an endless log to its own containers', () => {
    const { checks } = judgementOf('hostile bomb');
    const list = checks.find(({ id }) => id === 'api.list');
    expect(list?.outcome).toMatch(/failed|not run|skipped/);
    // The machine lives: what needs no container was still judged.
    expect(checks.some(({ outcome }) => outcome === 'passed')).toBe(true);
  });

  it('ends what fills the disk', () => {
    const [check] = judgementOf('hostile disk').checks;
    expect(check?.reason).toBe('stopped: it wrote more than 0.3 GiB of data');
  });

  it.each([
    ['refused machine', 'service api: privileged: true'],
    ['refused machine', 'service web: volumes: the host path / is not in the folder'],
    ['refused socket', 'service db: volumes: the host path /var/run/docker.sock is not'],
    ['broken file', 'compose.yml cannot be read: '],
    ['refused link', 'the symbolic link docs/etc leads out of the folder, to /etc'],
  ])('runs nothing of %s, and says that %s', (folder, reason) => {
    const { refused, checks } = judgementOf(folder);
    expect(refused.join('\n')).toContain(reason);
    expect(scoreOf(checks, weights).made).toBe(0);
  });

  it('writes no text of a submission as it is', () => {
    const pages = readdirSync(join(report, 'students')).map((name) => `students/${name}`);
    expect(pages).toHaveLength(12);
    for (const file of ['index.html', 'class.csv', 'class.junit.xml', ...pages]) {
      const text = readFileSync(join(report, file), 'utf8');
      expect(text.replaceAll(/[\r\n\t]/g, '')).not.toMatch(/\p{Cc}/u);
    }
    for (const file of ['index.html', 'class.junit.xml', ...pages])
      expect(readFileSync(join(report, file), 'utf8')).not.toMatch(/<script|<b>/);
    expect(second.output.replaceAll(/[\r\n]/g, '')).not.toMatch(/\p{Cc}/u);
    expect(idsOf(nasty, 'failed').length).toBeGreaterThan(0);
  });
});
