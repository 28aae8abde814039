// What Compose and the engine print: the parts that the checks look at.

/** What `docker compose config --format json` prints. */
export interface Model {
  name: string;
  services: Record<string, Service>;
  volumes?: Record<string, { name: string; driver_opts?: Record<string, string> | null }>;
  networks?: Record<string, { name?: string } | null>;
  secrets?: Record<string, { file?: string }>;
  configs?: Record<string, object>;
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
  command?: string[] | null;
  entrypoint?: string[] | null;
  user?: string;
  privileged?: boolean;
  devices?: { source: string }[];
  cap_add?: string[];
  working_dir?: string;
  tmpfs?: string | string[];
  secrets?: object[];
  configs?: object[];
  group_add?: string[];
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

/** Durations are text in Compose, and nanoseconds in an image. */
export interface HealthCheck {
  test?: string[];
  interval?: string | number;
  timeout?: string | number;
  retries?: number;
}

/** A health check as the engine has it: in nanoseconds, where zero means "not set". */
export interface ImageHealthCheck {
  Test?: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** What `docker inspect` prints of a container. */
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
  Config: {
    Env: string[] | null;
    Labels: Record<string, string>;
    Healthcheck?: ImageHealthCheck | null;
  };
  Mounts: { Type: string; Name?: string; Source: string; Destination: string }[];
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string; GlobalIPv6Address?: string }>;
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
  };
}

/** What `docker inspect` prints of an image. */
export interface Image {
  Id: string;
  Config: {
    Env?: string[] | null;
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Healthcheck?: ImageHealthCheck | null;
    Volumes?: Record<string, object> | null;
  };
}

/** The services that every project must have, in the order of a request. */
export const tiers = ['web', 'api', 'db'] as const;
export type Tier = (typeof tiers)[number];

/** The services that run all the time: not those that must complete, such as a migration. */
export function lasting({ services }: Model): [string, Service][] {
  const completing = new Set<string>();
  for (const { depends_on = {} } of Object.values(services)) {
    for (const [name, { condition }] of Object.entries(depends_on))
      if (condition === 'service_completed_successfully') completing.add(name);
  }
  return Object.entries(services).filter(([name]) => !completing.has(name));
}

/** The lasting services of a model that start without a profile. */
export function always(model: Model): [string, Service][] {
  return lasting(model).filter(([, { profiles = [] }]) => profiles.length === 0);
}

function networksOf({ networks = { default: null }, network_mode: mode }: Service): string[] {
  return mode === undefined ? Object.keys(networks) : [];
}

/** The networks that both services are in. Two of a file are one if they have the same name. */
export function shared({ networks = {} }: Model, a: Service, b: Service): string[] {
  const nameOf = (key: string) => networks[key]?.name ?? key;
  const names = new Set(networksOf(b).map(nameOf));
  return networksOf(a).filter((key) => names.has(nameOf(key)));
}

/** A value of the model as it is meant: Compose writes a dollar twice. */
export const unescaped = (text: string): string => text.replaceAll('$$', '$');
