// scripts/deploy.sh with newer base images, which it pulls from a registry of the test's own.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { root } from '../lib/copy.ts';
import { has } from '../lib/images.ts';
import { Installation, lines } from '../lib/installation.ts';
import { type Ended, Load } from '../lib/live.ts';
import { docker, psql } from '../lib/stack.ts';

const registryImage = 'registry:2';
const notRunBecause =
  inject('notRunBecause') ||
  (has(registryImage) ? '' : `.ci/images ${registryImage} has not been run`);
if (notRunBecause) console.warn(`NOT RUN: updates of base images: ${notRunBecause}`);

describe.skipIf(notRunBecause)('scripts/deploy.sh --pull', () => {
  const installation = new Installation();
  const { name, directory, compose, containers } = installation;
  const registry = `${name}-registry`;
  let address: string;

  const deploy = (...args: string[]): Promise<Ended> =>
    installation.script('deploy.sh', ...args).ended;
  const git = (...args: string[]) => {
    const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.org'];
    return execFileSync('git', [...author, ...args], { cwd: directory })
      .toString()
      .trim();
  };
  const labelOf = async (image: string, label: string) =>
    (
      await docker('image', 'inspect', '--format', `{{index .Config.Labels "${label}"}}`, image)
    ).trim();
  const revisionOf = (image: string) => labelOf(image, 'org.opencontainers.image.revision');
  const imageOfDb = async () => {
    const [db = ''] = await containers('db');
    return (await docker('inspect', '--format', '{{.Image}}', db)).trim();
  };
  const titles = async () =>
    lines(await compose('exec', '-T', 'db', ...psql(), '-c', 'SELECT title FROM tasks'));
  const version = () => /^TAG=(.*)$/m.exec(installation.settings())?.[1];

  /** Builds an image from lines of a Dockerfile. */
  const build = (image: string, content: string[], ...options: string[]) =>
    execFileSync('docker', ['build', '--quiet', '--tag', image, ...options, '-'], {
      input: content.join('\n'),
      stdio: 'pipe',
    });

  /** Puts a newer image into the registry. This machine keeps the older one. */
  async function publish(base: string, ...changes: string[]): Promise<void> {
    const image = `${address}/${base}`;
    await docker('tag', image, `${image}-before`);
    build(image, [`FROM ${image}`, ...changes]);
    await docker('push', '--quiet', image);
    await docker('tag', `${image}-before`, image);
    await docker('image', 'rm', `${image}-before`);
  }

  // 503: not stored. 504: the outcome is unknown, because the connection ended with the server.
  const load = async () =>
    new Load({ ...(await installation.server()), perSecond: 50, accepted: [200, 201, 503, 504] });

  beforeAll(async () => {
    await docker('run', '--detach', '--name', registry, '-p', '127.0.0.1::5000', registryImage);
    address = lines(await docker('port', registry, '5000'))[0] ?? '';
    await vi.waitFor(() => fetch(`http://${address}/v2/`), { timeout: 60_000, interval: 200 });

    const bases: [string, string, string][] = [
      ['NODE_IMAGE', 'node', /^ARG NODE_IMAGE=(.*)$/m.exec(read('api/Dockerfile'))?.[1] ?? ''],
      ['NGINX_IMAGE', 'nginx', /^ARG NGINX_IMAGE=(.*)$/m.exec(read('nginx/Dockerfile'))?.[1] ?? ''],
      ['POSTGRES_IMAGE', 'postgres', /POSTGRES_IMAGE:-(.*)}/.exec(read('compose.yml'))?.[1] ?? ''],
    ];
    const settings: string[] = [];
    for (const [variable, base, image] of bases) {
      await docker('tag', image, `${address}/${base}`);
      await docker('push', '--quiet', `${address}/${base}`);
      settings.push(`${variable}=${address}/${base}`);
    }
    await installation.prepare(...settings);
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '--message', 'first');
    const { code, output } = await deploy('1.0.0');
    if (code !== 0) throw new Error(output);
  });
  afterAll(async () => {
    await installation.remove();
    await docker('rm', '--force', '--volumes', registry);
    // By name: the id of a base image is also that of the official name.
    const nameOf = '{{if eq .Tag "<none>"}}@{{.Digest}}{{else}}:{{.Tag}}{{end}}';
    const format = ['--digests', '--format', `{{.Repository}}${nameOf}`];
    const pulled = ['--filter', `reference=${address}/*`];
    const made = new Set(lines(await docker('image', 'ls', ...format, ...pulled)));
    await docker('image', 'rm', '--force', ...made);
  });

  it('labels both images with the commit', async () => {
    for (const image of ['api', 'web'])
      expect(await revisionOf(`${name}-${image}:1.0.0`)).toBe(git('rev-parse', 'HEAD'));
  });

  it('releases newer base images; only the restart of db is seen, as 503', async () => {
    await publish('node', 'LABEL update=1');
    await publish('postgres', 'LABEL update=1');
    git('commit', '--quiet', '--allow-empty', '--message', 'second');
    const before = { web: await containers('web'), db: await imageOfDb() };
    const running = await load();
    const { code, output } = await deploy('--pull', '1.0.1');
    expect([code, output]).toEqual([0, expect.stringContaining('version 1.0.1 is running')]);
    await running.stop();
    console.log('an update of node and postgres:', running.answers);

    expect(running.failures).toEqual([]);
    expect(await titles()).toEqual(expect.arrayContaining(running.acknowledged));
    expect(await labelOf(`${name}-api:1.0.1`, 'update')).toBe('1');
    expect(await revisionOf(`${name}-api:1.0.1`)).toBe(git('rev-parse', 'HEAD'));
    expect(await imageOfDb()).not.toBe(before.db);
    expect(await labelOf(await imageOfDb(), 'update')).toBe('1');
    // Another commit alone is no reason to replace nginx.
    expect(await containers('web')).toEqual(before.web);
  });

  it('replaces nginx when its base image is newer', async () => {
    await publish('nginx', 'LABEL update=1');
    const before = { web: await containers('web'), db: await containers('db') };
    expect(await deploy('--pull', '1.0.2')).toMatchObject({ code: 0 });
    expect(await containers('web')).not.toEqual(before.web);
    expect(await labelOf(`${name}-web:1.0.2`, 'update')).toBe('1');
    expect(await containers('db')).toEqual(before.db);
  });

  it('refuses the name of a version that is here', async () => {
    for (const tag of ['1.0.1', '1.0.2']) {
      const { code, output } = await deploy('--pull', tag);
      expect([code, output]).toEqual([1, expect.stringContaining('--pull needs a new TAG')]);
    }
  });

  it('replaces no image of a version of which the other one has been removed', async () => {
    const before = (
      await docker('image', 'inspect', '--format', '{{.Id}}', `${name}-api:1.0.1`)
    ).trim();
    await docker('tag', `${name}-web:1.0.1`, `${name}-web:kept`);
    await docker('image', 'rm', `${name}-web:1.0.1`);
    const { code, output } = await deploy('1.0.1');
    await docker('tag', `${name}-web:kept`, `${name}-web:1.0.1`);
    expect([code, output]).toEqual([1, expect.stringContaining('only one of')]);
    const after = await docker('image', 'inspect', '--format', '{{.Id}}', `${name}-api:1.0.1`);
    expect(after.trim()).toBe(before);
  });

  it('builds a version anew after its release failed', { timeout: 240_000 }, async () => {
    const file = join(directory, 'api/src/server.ts');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, "throw new Error('broken');\n");
    const broken = await deploy('--timeout', '5', '1.0.3');
    expect([broken.code, broken.output]).toEqual([1, expect.stringContaining('broken')]);
    expect(await revisionOf(`${name}-api:1.0.3`)).toBe(`${git('rev-parse', 'HEAD')}-dirty`);
    expect(version()).toBe('1.0.2');

    writeFileSync(file, good);
    const mended = await deploy('1.0.3');
    expect([mended.code, mended.output]).toEqual([0, expect.stringContaining('building')]);
    expect(await revisionOf(`${name}-api:1.0.3`)).toBe(git('rev-parse', 'HEAD'));
    // Once it is released, its images count: another working tree must not replace them.
    expect((await deploy('1.0.2')).output).toContain('using the images');
    expect((await deploy('1.0.3')).output).toContain('using the images');
  });

  it('runs no migration of another commit than the images', { timeout: 240_000 }, async () => {
    const file = 'db/migrations/20280101000000_note.sql';
    const statement = 'ALTER TABLE tasks ADD COLUMN IF NOT EXISTS note TEXT';
    const text = `-- migrate:up\nSET LOCAL lock_timeout = '500ms';\n${statement};\n\n-- migrate:down\n`;
    writeFileSync(join(directory, file), text);
    git('add', file);
    git('commit', '--quiet', '--message', 'third');
    const column = async () => {
      const query = `SELECT count(*) FROM pg_attribute WHERE attname = 'note'`;
      return (await compose('exec', '-T', 'db', ...psql(), '-c', query)).trim();
    };
    const refused = await deploy('1.0.2');
    const commit = await revisionOf(`${name}-api:1.0.2`);
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining(commit)]);
    expect([version(), await column()]).toEqual(['1.0.3', '0']);
    expect(await deploy('--force', '1.0.2')).toMatchObject({ code: 0 });
    expect([version(), await column()]).toEqual(['1.0.2', '1']);
  });

  it('puts the older db back if the newer one does not start', async () => {
    const entrypoint = '/usr/local/bin/docker-entrypoint.sh';
    const script = ['#!/bin/sh', 'echo no such luck', 'exit 1'];
    await publish('postgres', `RUN printf '%s\\n' '${script.join("' '")}' >${entrypoint}`);
    const before = await imageOfDb();
    const { code, output } = await deploy('--timeout', '20', '--pull', '1.0.4');
    expect(output).toContain('no such luck');
    expect(output).toContain('the older one runs again');
    expect([code, version(), await imageOfDb()]).toEqual([1, '1.0.4', before]);
    expect(await titles()).not.toEqual([]);
  });

  it(
    'removes old images of this project, but none that is needed',
    { timeout: 240_000 },
    async () => {
      const inOldDays = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000'];
      const made = ['0.8.0', '0.9.0'].flatMap((tag) => [`api:${tag}`, `web:${tag}`]);
      for (const image of [...made, 'api-unreleased:0.7.0', 'other:0.8.0']) {
        const base = `${name}-${image.startsWith('web') ? 'web' : 'api'}:1.0.3`;
        build(`${name}-${image}`, [`FROM ${base}`, `LABEL image=${image}`], ...inOldDays);
      }
      build(
        `${name}-api:0.6.0`,
        [`FROM ${name}-api:1.0.3`, `LABEL image=0.6.0 com.docker.compose.project=${name}-other`],
        ...inOldDays,
      );
      const untagged = (project: string) =>
        execFileSync('docker', ['build', '--quiet', ...inOldDays, '-'], {
          input: `FROM ${name}-api:1.0.3\nLABEL com.docker.compose.project=${project}\n`,
        })
          .toString()
          .trim();
      const [ours, theirs] = [untagged(name), untagged(`${name}-other`)];
      const left = async () => {
        const format = ['--format', '{{.Repository}}:{{.Tag}}', '--filter', `reference=${name}-*`];
        const images = lines(await docker('image', 'ls', ...format));
        return images
          .map((image) => image.slice(name.length + 1))
          .filter((image) => /:0/.test(image));
      };
      expect(await left()).toHaveLength(7);
      expect(await deploy('0.9.0')).toMatchObject({ code: 0 });
      await expect(docker('image', 'inspect', ours)).rejects.toThrow('No such image');
      await docker('image', 'rm', theirs); // it is still there
      const needed = ['api:0.6.0', 'api:0.9.0', 'other:0.8.0', 'web:0.9.0'];
      expect((await left()).toSorted()).toEqual(needed);
      expect(await deploy('1.0.4')).toMatchObject({ code: 0 });
      expect((await left()).toSorted()).toEqual(needed); // --rollback goes back to it
      expect(await deploy('--restart')).toMatchObject({ code: 0 });
      expect((await left()).toSorted()).toEqual(needed);
      expect(await deploy('--rollback')).toMatchObject({ code: 0 });
    },
  );

  it('says that no registry answers, and changes nothing', async () => {
    await docker('stop', '--time', '1', registry);
    const before = { api: await containers('api'), db: await containers('db'), tag: version() };
    const { code, output } = await deploy('--pull', '1.0.5');
    expect([code, output]).toEqual([1, expect.stringContaining('the registry does not answer')]);
    expect({
      api: await containers('api'),
      db: await containers('db'),
      tag: version(),
    }).toEqual(before);
  });

  function read(file: string): string {
    return readFileSync(join(root, file), 'utf8');
  }
});
