// deploy/swarm/stack.yml and the Compose files describe the same application. Needs no engine.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { root } from '../lib/copy.ts';
import { compose, dockerfile, production, read, servicesOf } from '../kubernetes/compose.ts';

type Keys = Record<string, unknown>;
const file = 'deploy/swarm/stack.yml';
const authority = 'deploy/swarm/db-ca.yml';
const services = servicesOf(file) as unknown as Record<string, Keys>;
const tiers = ['web', 'api'] as const;

/** compose.prod.yml over compose.yml. Its lists replace those of compose.yml. */
function inCompose(tier: (typeof tiers)[number]): Keys {
  const { environment: base, ...common } = compose[tier]!;
  const { environment: over, ...own } = production[tier]!;
  const all = Object.entries({ ...base, ...over });
  const environment = all.filter(([, value]) => value !== null && value !== 'null'); // !reset
  return { ...common, ...own, environment: Object.fromEntries(environment) };
}

const lacking = (keys: Keys, names: string[]) =>
  Object.fromEntries(Object.entries(keys).filter(([name]) => !names.includes(name)));

/** The first column of the table in docs/swarm.md: the keys that stack.yml does not have. */
function leftOut(): string[] {
  const [, section = ''] = read('docs/swarm.md').split('## What differs from Compose\n');
  const [text = ''] = section.split('\n## ');
  const cells = [...text.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, key = '']) => key));
}

const { error: noDocker } = spawnSync('docker', ['--version']);

describe('deploy/swarm/stack.yml', () => {
  // The command asks no engine.
  it.skipIf(noDocker)('has only keys that `docker stack` knows', () => {
    const command = ['stack', 'config', '-c', file, '-c', authority];
    const env = { ...process.env, DB_HOST: 'db.example.org', TAG: '1.0.0' };
    const { status, stderr } = spawnSync('docker', command, { cwd: root, env });
    expect([status, stderr.toString()]).toEqual([0, '']);
  });

  it('has the tiers that need no volume', () => {
    expect(Object.keys(services)).toEqual(tiers);
  });

  it.each(tiers)('has the keys of %s, except for those in the table of docs/swarm.md', (tier) => {
    const different = ['deploy', 'environment', 'healthcheck', 'ports', 'networks', 'volumes'];
    const same = lacking(inCompose(tier), [...different, ...leftOut()]);
    expect(lacking(services[tier]!, different)).toEqual(same);
    expect(Object.keys(same)).toEqual(expect.arrayContaining(['image', 'read_only', 'cap_drop']));
  });

  it('names no key in that table that Compose does not use', () => {
    const used = new Set(tiers.flatMap((tier) => Object.keys(inCompose(tier))));
    expect(leftOut().filter((key) => !used.has(key))).toEqual([]);
    expect(leftOut()).not.toEqual([]);
  });

  it('has the settings of nginx', () => {
    expect(services.web?.environment).toEqual(inCompose('web').environment);
  });

  it('has the settings of the API, except that the database is elsewhere', () => {
    const elsewhere = ['DB_HOST', 'DB_PORT', 'DB_SSL', 'DB_SSL_CA'];
    const settings = (keys: Keys) => lacking(keys.environment as Keys, elsewhere);
    expect(settings(services.api!)).toEqual(settings(inCompose('api')));
    const { DB_HOST } = services.api!.environment as Record<string, string>;
    expect(DB_HOST).toMatch(/^\$\{DB_HOST:\?/); // never a container of this name
  });

  it.each(tiers)('publishes the ports of %s on the node', (tier) => {
    const ports = (inCompose(tier).ports ?? []) as string[];
    const published = ports.map((port) => {
      const [, name, target] = /:(\$\{\w+:-\d+\}):(\d+)$/.exec(port) ?? [];
      return { target: Number(target), published: name, mode: 'host' };
    });
    expect(services[tier]?.ports ?? []).toEqual(published);
  });

  it.each(tiers)('lets %s write where Compose does', (tier) => {
    const tmpfs = (inCompose(tier).tmpfs ?? []) as string[];
    expect(services[tier]?.volumes).toEqual(tmpfs.map((target) => ({ type: 'tmpfs', target })));
  });

  it.each(tiers)('checks the health of %s as often', (tier) => {
    const often = (keys: Keys) => lacking(keys.healthcheck as Keys, ['test']);
    expect(often(services[tier]!)).toEqual(often(inCompose(tier)));
  });

  it('asks nginx what its image asks, and the API whether it is ready, and later alive', () => {
    expect(services.web?.healthcheck).not.toHaveProperty('test');
    const { test } = services.api!.healthcheck as { test: string[] };
    expect(test[1]).toContain(`|| path=${dockerfile('api').healthPath.slice(1)};`);
    const withoutSpaces = (text = '') => text.replaceAll(/\s/g, '');
    const [judged] = /\.then\(.*\)(?=")/.exec(read('api/Dockerfile')) ?? ['nothing'];
    expect(withoutSpaces(test[1])).toContain(withoutSpaces(judged));
  });

  it.each(tiers)('limits %s as Compose does, and goes back from a version that fails', (tier) => {
    const deploy = services[tier]?.deploy as Record<string, Keys>;
    const { replicas, resources } = inCompose(tier).deploy as Keys;
    expect([deploy.replicas, deploy.resources]).toEqual([replicas, resources]);
    // nginx needs the addresses of the replicas themselves: see docs/swarm.md.
    expect(deploy.endpoint_mode).toBe('dnsrr');
    expect(deploy.update_config?.failure_action).toBe('rollback');
    const order = tier === 'api' ? 'start-first' : 'stop-first';
    expect([deploy.update_config?.order, deploy.rollback_config?.order]).toEqual([order, order]);
  });

  it('makes each secret and config from the same file, under a name with a version', () => {
    interface Source {
      name?: string;
      file: string;
    }
    const sourcesOf = (path: string) => {
      const { secrets = {}, configs = {} } = parse(read(path), { logLevel: 'error' }) as Record<
        'secrets' | 'configs',
        Record<string, Source> | undefined
      >;
      return { ...secrets, ...configs };
    };
    const sources = { ...sourcesOf(file), ...sourcesOf(authority) };
    for (const [name, source] of Object.entries(sources)) {
      expect(source.name).toMatch(new RegExp(`^taskapp_${name}_\\$\\{[A-Z_]+_VERSION:-1\\}$`));
    }
    const here = Object.entries(sourcesOf('compose.prod.yml'));
    const files = new Map(here.map(([name, { file: path }]) => [name, path]));
    const used = tiers.flatMap((tier) => inCompose(tier).secrets as string[]);
    for (const name of used)
      expect(sources[name]?.file).toBe(files.get(name)?.replace(':-./', ':-../../'));
  });
});
