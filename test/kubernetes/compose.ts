// What the Compose files and Dockerfiles say, with the default of each variable.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from '../lib/copy.ts';

interface Service {
  image?: string;
  user?: string;
  entrypoint?: string[];
  environment: Record<string, string | number | null>;
  ports?: string[];
  networks?: string[];
  sysctls?: string[];
  tmpfs?: string[];
  depends_on?: Record<string, unknown>;
  stop_grace_period: string;
  healthcheck: { interval: string; timeout: string; retries: number };
  deploy: { replicas?: number; resources: { limits: { cpus: string; memory: string } } };
  cap_drop?: string[];
  read_only?: boolean;
  security_opt?: string[];
}

export const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** A value as it is without `.env`. */
export const withDefaults = (text: string): string =>
  text.replaceAll(/\$\{\w+(?::?-([^${}]*)|:\?[^}]*)?\}/g, (_, value?: string) => value ?? '');

export function servicesOf(file: string): Record<string, Service> {
  const options = { merge: true, logLevel: 'error' } as const; // without a word on !override
  return (parse(read(file), options) as { services: Record<string, Service> }).services;
}

export const compose = servicesOf('compose.yml');
export const production = servicesOf('compose.prod.yml');

/** `30s` in seconds. */
export const seconds = (duration: string): number => {
  const [, value, unit] = /^(\d+)(ms|s|m)$/.exec(duration) ?? [];
  const factor = { ms: 0.001, s: 1, m: 60 }[unit ?? ''] ?? NaN;
  return Number(value) * factor;
};

/** The user and the address of the health check in a Dockerfile. */
export function dockerfile(tier: 'web' | 'api'): { user: string; healthPath: string } {
  const text = read(tier === 'web' ? 'nginx/Dockerfile' : 'api/Dockerfile');
  const user = [...text.matchAll(/^USER (\w+)$/gm)].at(-1)?.[1] ?? '';
  const healthPath = /^HEALTHCHECK (?:.|\\\n)*?http:\/\/[^/]+(\/[\w-]+)/m.exec(text)?.[1] ?? '';
  return { user, healthPath };
}
