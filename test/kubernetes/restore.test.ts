// A restore makes a database beside that of production, and production can go on with it. Needs no
// engine and no cluster.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../lib/copy.ts';
import { kubectlFault } from '../lib/kubectl.ts';
import { build, find, nameOf, ofKind } from './objects.ts';
import { references } from './pods.ts';

describe.skipIf(kubectlFault())('a restore', () => {
  let copy: string;
  afterAll(() => rmSync(copy, { recursive: true }));

  const edit = (file: string, from: string, to: string) => {
    const path = join(copy, 'deploy/kubernetes', file, 'kustomization.yml');
    const text = readFileSync(path, 'utf8');
    expect(text).toContain(from);
    writeFileSync(path, text.replaceAll(from, to));
  };

  // What docs/kubernetes.md says, twice: the second restore is of the database that the first made.
  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'taskapp-restore-'));
    for (const directory of ['deploy/kubernetes', 'nginx', 'db'])
      cpSync(join(root, directory), join(copy, directory), { recursive: true });
    let current = 'db';
    let directory = '../database';
    for (const name of ['db-20260201', 'db-20260301']) {
      const kubernetes = join(copy, 'deploy/kubernetes');
      cpSync(join(kubernetes, 'restore'), join(kubernetes, name), { recursive: true });
      edit(name, 'value: db-20260131 }', `value: ${name} }`);
      edit(name, 'serverName: db #', `serverName: ${current} #`);
      edit('production', `- ${directory} #`, `- ../${name} #`);
      [current, directory] = [name, `../${name}`];
    }
  });

  it.each(['restore', 'db-20260201', 'db-20260301'])(
    'makes only a Cluster, which reads one archive and writes another: %s',
    (overlay) => {
      const objects = build(overlay, copy);
      expect(objects.map(({ kind }) => kind)).toEqual(['Cluster']); // all that is created and deleted
      const [cluster] = ofKind(objects, 'Cluster');
      const { bootstrap, externalClusters, plugins, instances } = cluster!.spec;
      expect(bootstrap?.initdb).toBeUndefined();
      const source = externalClusters?.find(({ name }) => name === bootstrap?.recovery?.source);
      const { parameters } = source?.plugin ?? {};
      const [archiver] = plugins ?? [];
      expect(archiver?.parameters?.barmanObjectName).toBe(parameters?.barmanObjectName);
      // Without serverName, the plugin writes to the archive that has the name of the Cluster.
      expect(archiver?.parameters).not.toHaveProperty('serverName');
      expect(parameters?.serverName).not.toBe(cluster?.metadata?.name);
      expect(instances).toBe(find(build('production'), 'Cluster', 'db').spec.instances);
    },
  );

  it('leaves the Cluster of production alone, even if that is itself a restore', () => {
    const namesIn = (overlay: string) => ofKind(build(overlay, copy), 'Cluster').map(nameOf);
    expect(namesIn('production')).toEqual(['Cluster db-20260301']);
    expect(namesIn('restore')).toEqual(['Cluster db-20260131']);
    const { externalClusters } = find(build('db-20260301', copy), 'Cluster', 'db-20260301').spec;
    expect(externalClusters?.[0]?.plugin?.parameters?.serverName).toBe('db-20260201');
  });

  it('needs one change in production, and everything there follows it', () => {
    const objects = build('production', copy);
    const name = 'db-20260301';
    expect(find(objects, 'ConfigMap', 'api-settings').data?.DB_HOST).toBe(`${name}-rw`);
    const secrets = references(objects).filter((reference) => reference.endsWith('-ca'));
    expect(secrets).toEqual([`Secret ${name}-ca`]);
    const { matchLabels } = find(objects, 'PodMonitor', 'db').spec.selector;
    expect(matchLabels).toEqual({ 'cnpg.io/cluster': name });
    // The Cluster of a ScheduledBackup is immutable, so it is another ScheduledBackup.
    const schedules = ofKind(objects, 'ScheduledBackup');
    expect(schedules.map(({ metadata, spec }) => [metadata?.name, spec.cluster.name])).toEqual([
      [name, name],
    ]);
  });
});
