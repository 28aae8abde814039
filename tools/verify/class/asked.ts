// A model as Compose resolves it, before anybody has looked at what it asks for.
import { isAbsolute } from 'node:path';
import { unescaped } from '../model.ts';

export type Keys = Record<string, unknown>;

export interface Asked {
  services?: Record<string, Keys | null>;
  networks?: Record<string, Keys | null>;
  volumes?: Record<string, Keys | null>;
  secrets?: Record<string, Keys | null>;
  configs?: Record<string, Keys | null>;
}

export interface Mount extends Keys {
  type: string;
  source?: string;
  target: string;
  read_only?: boolean;
}

/** The entries of a part of the model. */
export const entriesOf = (part: Record<string, Keys | null> | undefined): [string, Keys][] =>
  Object.entries(part ?? {}).map(([name, value]) => [name, value ?? {}]);

export const mountsOf = (service: Keys): Mount[] => (service.volumes as Mount[] | undefined) ?? [];

/** The sources of bind mounts are paths; Compose writes `$` twice. */
export const sourceOf = ({ source = '' }: Mount): string => unescaped(source);

/** The path of the Dockerfile of a build. */
export const dockerfileOf = (context: string, dockerfile: string): string =>
  unescaped(dockerfile.startsWith('/') ? dockerfile : `${context}/${dockerfile}`);

/** The files of secrets and configs. */
export function filesOf({ secrets, configs }: Asked): string[] {
  const parts = [...entriesOf(secrets), ...entriesOf(configs)];
  const files = parts.flatMap(([, { file }]) => (typeof file === 'string' ? [file] : []));
  return files.map(unescaped).filter((path) => isAbsolute(path));
}

/** How many containers a service asks for. */
export function replicasOf({ scale, deploy }: Keys): number {
  const { replicas } = (deploy ?? {}) as { replicas?: unknown };
  return Number(replicas ?? scale ?? 1);
}
