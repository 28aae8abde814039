// deploy/kubernetes and the Compose files describe one application. Needs no engine.
import { describe, expect, it } from 'vitest';
import { connections } from '../../api/src/pool.ts';
import { compose, dockerfile, production, read, seconds, withDefaults } from './compose.ts';
import { kubectlFault } from '../lib/kubectl.ts';
import { build, find, type Objekt } from './objects.ts';
import { isAllowed, podOf } from './pods.ts';

const tiers = ['web', 'api', 'db'] as const;
const overlays = ['lab', 'production'] as const;
const jobs = { lab: 'migrate', production: 'production/migrate' } as const;
// The ids of the users in the official images. Kubernetes cannot look up a name.
const ids: Record<string, number> = { nginx: 101, node: 1000, postgres: 70, nobody: 65534 };
const settingsOf = (service: string) => ({ ...compose[service], ...production[service] });

const environmentOf = (
  service: 'web' | 'api' | 'db' | 'migrate',
  { environment } = production[service]!,
) =>
  Object.fromEntries(
    Object.entries({ ...compose[service]?.environment, ...environment })
      .filter(([, value]) => value !== null && value !== 'null')
      .map(([name, value]) => [name, withDefaults(String(value))]),
  );
const lacking = (object: object, names: string[]) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

describe.skipIf(kubectlFault())('Kubernetes and Compose agree', () => {
  const built = Object.fromEntries(
    overlays.map((overlay) => [
      overlay,
      kubectlFault() ? [] : [...build(overlay), ...build(jobs[overlay])],
    ]),
  ) as Record<(typeof overlays)[number], Objekt[]>;
  // The lab's database is the only one whose pod we describe.
  const services = [
    ...overlays.flatMap((overlay) => [[overlay, 'web'] as const, [overlay, 'api'] as const]),
    ['lab', 'db'] as const,
  ];
  const pods = [...services, ...overlays.map((overlay) => [overlay, 'migrate'] as const)];

  it('on the images', () => {
    const [, tag] = /^TAG=(.+)$/m.exec(read('.env.prod.example')) ?? [];
    const [, prefix] = /for example (\S+)\.\n#IMAGE_PREFIX/.exec(read('.env.prod.example')) ?? [];
    for (const tier of ['web', 'api'] as const) {
      expect(podOf(built.lab, tier).container.image).toBe(`taskapp-${tier}:${tag}`);
      expect(podOf(built.production, tier).container.image).toBe(`${prefix}-${tier}:${tag}`);
      expect(withDefaults(production[tier]?.image ?? '')).toMatch(`taskapp-${tier}:`);
    }
    for (const overlay of overlays)
      expect(podOf(built[overlay], 'migrate').container.image).toBe(
        withDefaults(compose.migrate?.image ?? ''),
      );
    const image = withDefaults(compose.db?.image ?? '');
    expect(podOf(built.lab, 'db').container.image).toBe(image);
    const major = /^postgres:(\d+)/.exec(image)?.[1];
    const { imageName } = find(built.production, 'Cluster', 'db').spec;
    expect(imageName).toMatch(new RegExp(`/postgresql:${major}\\.\\d+-`));
  });

  it.each(overlays)('on the ports: %s', (overlay) => {
    const portsOf = (tier: 'web' | 'api') =>
      podOf(built[overlay], tier).container.ports?.map(({ containerPort }) => containerPort);
    const published = compose.web?.ports?.map((port) => Number(port.split(':').at(-1)));
    const metrics = Number(/^ {4}listen (\d+);$/m.exec(read('nginx/routes.conf.template'))?.[1]);
    expect(portsOf('web')).toEqual([...(published ?? []), metrics]);
    expect(portsOf('api')).toEqual([compose.api?.environment.PORT]);
    const database = compose.api?.environment.DB_PORT;
    const settings = find(built[overlay], 'ConfigMap', 'api-settings').data;
    expect(settings?.DB_PORT).toBe(String(database));
  });

  it('on the name of the database', () => {
    const hostIn = (overlay: (typeof overlays)[number]) =>
      find(built[overlay], 'ConfigMap', 'api-settings').data?.DB_HOST;
    const { spec } = find(built.lab, 'Service', hostIn('lab') ?? '');
    expect(spec?.ports?.map(({ port }) => port)).toEqual([compose.api?.environment.DB_PORT]);
    const { metadata } = find(built.production, 'Cluster', 'db');
    expect(hostIn('production')).toBe(`${metadata.name}-rw`); // the operator makes this Service
  });

  it.each(overlays)('on what the probes ask, and how often: %s', (overlay) => {
    for (const tier of ['web', 'api'] as const) {
      const { startupProbe, livenessProbe, readinessProbe } = podOf(built[overlay], tier).container;
      const { healthPath } = dockerfile(tier);
      expect(readinessProbe?.httpGet?.path).toBe(healthPath);
      const alive = tier === 'api' ? '/livez' : healthPath;
      expect([startupProbe?.httpGet?.path, livenessProbe?.httpGet?.path]).toEqual([alive, alive]);
      const { interval, timeout, retries } = compose[tier]!.healthcheck;
      expect(livenessProbe).toMatchObject({
        periodSeconds: seconds(interval),
        timeoutSeconds: seconds(timeout),
        failureThreshold: retries,
      });
    }
  });

  it.each(overlays)('on keeping the API in DNS through failovers and rollouts: %s', (overlay) => {
    const { spec } = find(built[overlay], 'Deployment', 'api');
    const { periodSeconds, failureThreshold } = podOf(built[overlay], 'api').container
      .readinessProbe as { periodSeconds: number; failureThreshold: number };
    const failover = 90; // of which Kubernetes takes up to 55 s to see that a node is lost
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(1.5 * failover);
    const dnsCache = 30; // of CoreDNS
    expect(spec?.minReadySeconds).toBeGreaterThan(dnsCache);
    expect(spec?.strategy?.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
  });

  it('on the health check of the database', () => {
    const { readinessProbe, livenessProbe } = podOf(built.lab, 'db').container;
    const { test, interval, timeout, retries } = compose.db!.healthcheck as {
      test: string[];
    } & NonNullable<typeof compose.db>['healthcheck'];
    expect(readinessProbe).toMatchObject({
      exec: { command: test.slice(1) },
      periodSeconds: seconds(interval),
      timeoutSeconds: seconds(timeout),
      failureThreshold: retries,
    });
    expect(livenessProbe).toBeUndefined();
  });

  it.each(pods)('on users and privileges: %s, %s', (overlay, tier) => {
    const ofImage = tier === 'web' || tier === 'api' ? dockerfile(tier).user : undefined;
    const user = settingsOf(tier).user ?? ofImage;
    const { spec, container } = podOf(built[overlay], tier);
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: ids[user ?? ''] });
    const { read_only, cap_drop, security_opt } = settingsOf(tier);
    expect(security_opt).toEqual(['no-new-privileges:true']);
    expect(container.securityContext).toEqual({
      readOnlyRootFilesystem: read_only,
      capabilities: { drop: cap_drop },
      allowPrivilegeEscalation: false,
    });
    const sysctls = spec.securityContext?.sysctls?.map(({ name, value }) => `${name}=${value}`);
    expect(sysctls).toEqual(compose[tier]?.sysctls);
  });

  it.each(pods)('on what is writable: %s, %s', (overlay, tier) => {
    const { spec, container } = podOf(built[overlay], tier);
    const inMemory = spec.volumes?.filter(({ emptyDir }) => emptyDir?.medium === 'Memory') ?? [];
    const names = inMemory.map(({ name }) => name);
    const mounts = container.volumeMounts ?? [];
    const paths = mounts.filter(({ name }) => names.includes(name)).map((one) => one.mountPath);
    expect(paths.toSorted()).toEqual(settingsOf(tier).tmpfs?.toSorted());
    const others = mounts.filter(({ name }) => !names.includes(name) && name !== 'pgdata');
    expect(others.filter(({ readOnly }) => !readOnly)).toEqual([]);
  });

  it.each(pods)('on the limits: %s, %s', (overlay, tier) => {
    const { cpus, memory } = settingsOf(tier).deploy!.resources.limits;
    const limits = { cpu: cpus, memory: `${memory}i` }; // Compose's M is Kubernetes' Mi
    expect(podOf(built[overlay], tier).container.resources?.limits).toEqual(limits);
  });

  it('on the limits of the database in production', () => {
    const { resources } = find(built.production, 'Cluster', 'db').spec;
    expect(resources?.limits).toEqual(podOf(built.lab, 'db').container.resources?.limits);
  });

  it.each(services)('on how long a stop may take: %s, %s', (overlay, tier) => {
    const { spec, container } = podOf(built[overlay], tier);
    const before = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
    const grace = seconds(compose[tier]!.stop_grace_period);
    expect(Number(spec.terminationGracePeriodSeconds) - before).toBe(grace);
  });

  it('on the settings of the API', () => {
    const settings = (overlay: (typeof overlays)[number]) => {
      const { container } = podOf(built[overlay], 'api');
      expect(container.envFrom).toHaveLength(1);
      expect(container.env?.map(({ name }) => name)).toEqual(['DB_PASS_FILE']);
      return find(built[overlay], 'ConfigMap', 'api-settings').data ?? {};
    };
    const lab = environmentOf('api', compose.api);
    expect(settings('lab')).toEqual(lacking(lab, ['DB_PASS', 'DB_SSL', 'DB_SSL_CA']));
    const other = ['DB_HOST', 'DB_SSL', 'DB_SSL_CA', 'API_TOKEN_FILE', 'DB_PASS_FILE'];
    expect(lacking(settings('production'), other)).toEqual(
      lacking(environmentOf('api'), [...other, 'DB_PASS']),
    );
    const token = podOf(built.production, 'api').container.volumeMounts?.find(
      ({ name }) => name === 'api-token',
    );
    expect(settings('production').API_TOKEN_FILE).toBe(`${token?.mountPath}/token`);
  });

  it('on the settings of nginx', () => {
    const settings = (overlay: (typeof overlays)[number]) =>
      find(built[overlay], 'ConfigMap', 'web-settings').data;
    const { metadata, spec } = find(built.lab, 'Service', 'api');
    const API_HOST = `${metadata?.name}.${metadata?.namespace}.svc.cluster.local`;
    expect(settings('lab')).toEqual({ API_HOST });
    expect(spec?.clusterIP).toBe('None');
    const { RATE_LIMIT } = environmentOf('web');
    expect(settings('production')).toMatchObject({ API_HOST, RATE_LIMIT });
    // As nginx/compose.proxy.yml: no TLS, and somebody to trust.
    expect(Object.keys(settings('production') ?? {})).not.toContain('TLS');
    expect(settings('production')?.TRUSTED_PROXIES).not.toBe('');
  });

  it('on the settings of the migrations', () => {
    const settings = (overlay: (typeof overlays)[number]) => {
      const { container } = podOf(built[overlay], 'migrate');
      expect(container.envFrom).toBeUndefined();
      return Object.fromEntries(
        container.env?.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]) ?? [],
      );
    };
    const mountOf = (overlay: (typeof overlays)[number], volume: string) =>
      podOf(built[overlay], 'migrate').container.volumeMounts?.find(({ name }) => name === volume)
        ?.mountPath;
    const ours = {
      PGUSER: { secretKeyRef: { name: 'db-owner', key: 'username' } },
      PGPASSWORD_FILE: `${mountOf('lab', 'owner-login')}/password`,
      DBMATE_MIGRATIONS_DIR: mountOf('lab', 'migrations'),
    };
    const inCompose = environmentOf('migrate');
    expect(settings('lab')).toEqual({ ...lacking(inCompose, ['PGPASSWORD']), ...ours });
    const api = find(built.production, 'ConfigMap', 'api-settings').data ?? {};
    expect(settings('production')).toEqual({
      ...settings('lab'),
      DATABASE_URL: `postgres://${api.DB_HOST}`,
      PGSSLMODE: api.DB_SSL,
      PGSSLROOTCERT: api.DB_SSL_CA,
    });
    const secretOf = (pod: string) =>
      podOf(built.production, pod).spec.volumes?.find(({ name }) => name === 'db-ca')?.secret;
    expect(secretOf('migrate')).toEqual(secretOf('api'));

    // The same command, with the files where it looks for them.
    const { entrypoint } = compose.migrate!;
    for (const overlay of overlays) {
      expect(podOf(built[overlay], 'migrate').container.command).toEqual(entrypoint);
      expect(entrypoint?.at(-1)).toBe(`${mountOf(overlay, 'scripts')}/migrate.sh`);
    }
  });

  it('on how PostgreSQL is set up', () => {
    const { container } = podOf(built.lab, 'db');
    const variables = new Map(container.env?.map(({ name, value }) => [name, value]));
    const { POSTGRES_INITDB_ARGS = '', POSTGRES_DB, POSTGRES_USER, DB_USER } = environmentOf('db');
    expect(variables.get('POSTGRES_INITDB_ARGS')).toBe(POSTGRES_INITDB_ARGS);
    expect(variables.get('POSTGRES_DB')).toBe(POSTGRES_DB);
    const { bootstrap, managed } = find(built.production, 'Cluster', 'db').spec;
    const { initdb } = bootstrap ?? {};
    const { dataChecksums, localeProvider, builtinLocale, database, owner, secret } = initdb ?? {};
    const checksums = dataChecksums ? '--data-checksums' : '--no-data-checksums';
    const locale = `--locale-provider=${localeProvider} --builtin-locale=${builtinLocale}`;
    expect(`${checksums} ${locale}`).toBe(POSTGRES_INITDB_ARGS);
    expect([database, owner, secret?.name]).toEqual([POSTGRES_DB, POSTGRES_USER, 'db-owner']);
    const { recovery } = find(build('restore'), 'Cluster', 'db-20260131').spec.bootstrap ?? {};
    expect(recovery).toMatchObject({ database, owner, secret });
    expect(managed?.roles?.map(({ name }) => name)).toEqual([DB_USER]);
  });

  it('on the passwords of the lab', () => {
    const passwordOf = (name: string) => {
      const { data } = find(built.lab, 'Secret', name);
      return Buffer.from(data?.password ?? '', 'base64').toString();
    };
    const { POSTGRES_PASSWORD, DB_PASS } = environmentOf('db', compose.db);
    expect([passwordOf('db-owner'), passwordOf('db-api')]).toEqual([POSTGRES_PASSWORD, DB_PASS]);
  });

  it('on the replicas, for which PostgreSQL has enough connections', () => {
    const { spec } = find(built.production, 'HorizontalPodAutoscaler', 'api');
    expect(spec?.minReplicas).toBe(production.api?.deploy.replicas);
    for (const name of ['web', 'api'])
      expect(find(built.production, 'Deployment', name).spec?.replicas).toBeUndefined();
    const most = 2 * (spec?.maxReplicas ?? NaN); // a rollout does not wait for pods that are ending
    const each = Object.values(connections).reduce((sum, count) => sum + count, 0);
    const forOthers = 10; // superusers, the operator, a person
    const { parameters } = find(built.production, 'Cluster', 'db').spec.postgresql ?? {};
    expect(most * each + forOthers).toBeLessThanOrEqual(Number(parameters?.max_connections));
  });

  it.each(overlays)('on who reaches whom: %s', (overlay) => {
    const labelsOf = (tier: string) => ({ labels: { tier } });
    const portOf = { web: 80, api: 8080, db: 5432 };
    const shareANetwork = (one: (typeof tiers)[number], other: (typeof tiers)[number]) =>
      compose[one]?.networks?.some((network) => compose[other]?.networks?.includes(network));
    const pairs = tiers.flatMap((from) => tiers.map((to) => [from, to] as const));
    const others = pairs.filter(([from, to]) => from !== to);
    const open = others.filter(([from, to]) =>
      isAllowed(built[overlay], labelsOf(from), labelsOf(to), portOf[to]),
    );
    // In the direction of the requests, which is that of depends_on.
    const needed = others.filter(([from, to]) => to in (compose[from]?.depends_on ?? {}));
    expect(open).toEqual(needed);
    expect(needed.filter(([from, to]) => !shareANetwork(from, to))).toEqual([]);
    expect(
      others.filter(([from, to]) => from !== 'api' && to !== 'api' && shareANetwork(from, to)),
    ).toEqual([]);

    const dns = { labels: { 'k8s-app': 'kube-dns' }, namespace: 'kube-system' };
    const internet = { outside: true } as const;
    for (const tier of tiers) {
      expect(isAllowed(built[overlay], labelsOf(tier), dns, 53)).toBe(true);
      expect(isAllowed(built[overlay], labelsOf(tier), internet, 53)).toBe(true); // or on the node
      expect(isAllowed(built[overlay], labelsOf(tier), internet, 443)).toBe(false);
      expect(isAllowed(built[overlay], internet, labelsOf(tier), portOf[tier])).toBe(false);
    }
  });

  it.each(overlays)('on migrations that reach only the database: %s', (overlay) => {
    const at = (tier: string) => ({ labels: { tier } });
    const ports = { web: 80, api: 8080, db: 5432 };
    const reached = tiers.filter((tier) =>
      isAllowed(built[overlay], at('migrate'), at(tier), ports[tier]),
    );
    expect(reached).toEqual(['db']);
    expect(compose.migrate?.networks).toEqual(compose.db?.networks);
    expect(isAllowed(built[overlay], at('migrate'), { outside: true }, 443)).toBe(false);
    // Only while the Job is there.
    expect(isAllowed(build(overlay), at('migrate'), at('db'), 5432)).toBe(false);
  });

  it('on what production publishes: port 80 of web, to the ingress controller', () => {
    const namespace = 'traefik';
    const at = (tier: string) => ({ labels: { tier } });
    const from = (ns: string) => ({ labels: {}, namespace: ns });
    const reaches = (ns: string, tier: string, port: number) =>
      isAllowed(built.production, from(ns), at(tier), port);
    expect(find(built.production, 'Ingress', 'web').spec?.ingressClassName).toBe(namespace);
    expect(reaches(namespace, 'web', 80)).toBe(true);
    expect(reaches('default', 'web', 80)).toBe(false);
    expect(reaches(namespace, 'api', 8080)).toBe(false);
    expect(reaches('monitoring', 'api', 8080)).toBe(true);
    expect(reaches('monitoring', 'web', 80)).toBe(false);
    const instance = { labels: { tier: 'db', 'cnpg.io/cluster': 'db' } };
    const operator = {
      labels: { 'app.kubernetes.io/name': 'cloudnative-pg' },
      namespace: 'cnpg-system',
    };
    const connects = [instance, operator, at('api'), at('web')].map((place) =>
      isAllowed(built.production, place, instance, 5432),
    );
    expect(connects).toEqual([true, true, true, false]);
  });

  it('on the durability of a write: two instances have it before it is acknowledged', () => {
    const { instances, postgresql } = find(built.production, 'Cluster', 'db').spec;
    expect(instances).toBe(3);
    const durability = { method: 'any', number: 1, dataDurability: 'required' };
    expect(postgresql?.synchronous).toEqual({ ...durability, failoverQuorum: true });
  });

  it('on the WAL kept for a lost standby: it leaves room on the volume', () => {
    const { walStorage, postgresql } = find(built.production, 'Cluster', 'db').spec;
    const [, volume] = /^(\d+)Gi$/.exec(String(walStorage?.size)) ?? [];
    const [, kept] = /^(\d+)GB$/.exec(postgresql?.parameters?.max_slot_wal_keep_size ?? '') ?? [];
    expect(Number(kept)).toBeLessThanOrEqual(Number(volume) / 2);
  });

  it('on a primary that is stopping: it keeps no session while it refuses new ones', () => {
    expect(find(built.production, 'Cluster', 'db').spec.smartShutdownTimeout).toBe(0);
  });

  it('on the init files: the operator runs all of them, in order', () => {
    const { initdb } = find(built.production, 'Cluster', 'db').spec.bootstrap ?? {};
    // The name that YAML has, and cdk8s has not.
    const { postInitApplicationSQLRefs: refs } = initdb as Record<
      string,
      { configMapRefs: { key: string }[] }
    >;
    const keys = refs?.configMapRefs.map(({ key }) => key);
    const files = Object.keys(find(built.lab, 'ConfigMap', 'db-init').data ?? {});
    const inOrder = files.toSorted().map((file) => file.replace(/\.sh$/, '.sql'));
    expect(keys).toEqual([...inOrder, 'operator-logins.sql', 'owner.sql']);
  });
});
