// What Compose and the engine say, as far as the checks look at it.

/** What `docker compose config --format json` prints. */
export interface Model {
  name: string;
  services: Record<string, Service>;
  volumes?: Record<string, { name: string }>;
  secrets?: Record<string, { file?: string }>;
}

export interface Service {
  profiles?: string[];
  image?: string;
  build?: {
    context: string;
    dockerfile?: string;
    dockerfile_inline?: string;
    args?: Record<string, string | null>;
  };
  environment?: Record<string, string | null>;
  ports?: { host_ip?: string; published?: string; target: number }[];
  volumes?: { type: string; source?: string; target: string; read_only?: boolean }[];
  networks?: Record<string, unknown>;
  network_mode?: string;
  depends_on?: Record<string, { condition: string }>;
  restart?: string;
  logging?: { driver?: string; options?: Record<string, string> };
  healthcheck?: HealthCheck & { disable?: boolean };
  deploy?: {
    replicas?: number;
    restart_policy?: { condition?: string };
    resources?: { limits?: { cpus?: string | number; memory?: string } };
  };
  mem_limit?: string | number;
  cpus?: string | number;
}

/** Durations as text; in an image's they are numbers of nanoseconds. */
export interface HealthCheck {
  test?: string[];
  interval?: string | number;
  timeout?: string | number;
  retries?: number;
}

/** What `docker inspect` prints. */
export interface Container {
  Id: string;
  Name: string;
  Image: string;
  State: {
    Status: string;
    Pid: number;
    ExitCode: number;
    Health?: { Status: string; Log?: { Output: string }[] | null };
  };
  Config: { Env: string[] | null; Labels: Record<string, string> };
  Mounts: { Type: string; Name?: string; Source: string; Destination: string }[];
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string; GlobalIPv6Address?: string }>;
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
  };
}

export interface Image {
  Id: string;
  Config: {
    Healthcheck?: { Test?: string[]; Interval?: number; Timeout?: number; Retries?: number } | null;
  };
}

export const tiers = ['web', 'api', 'db'] as const;
export type Tier = (typeof tiers)[number];

/** The services that run all the time: not those that others wait for to end, such as a migration. */
export function lasting({ services }: Model): [string, Service][] {
  const conditions = Object.values(services).flatMap(({ depends_on = {} }) =>
    Object.entries(depends_on),
  );
  const ending = conditions
    .filter(([, { condition }]) => condition === 'service_completed_successfully')
    .map(([name]) => name);
  return Object.entries(services).filter(([name]) => !ending.includes(name));
}

export const networksOf = ({ networks = { default: null }, network_mode }: Service): string[] =>
  network_mode === undefined ? Object.keys(networks) : [];

export const shared = (a: Service, b: Service): string[] =>
  networksOf(a).filter((name) => networksOf(b).includes(name));
