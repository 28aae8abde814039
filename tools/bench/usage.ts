// What the containers and the engine have used.
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';

export interface Usage {
  /** Microseconds of CPU time since the containers started. */
  cpu: number;
  /** Bytes of memory, without the page cache. */
  memory: number;
}

/** The part of the engine's answer that is used here. */
interface Stats {
  cpu_stats: { cpu_usage: { total_usage: number } };
  memory_stats: {
    usage: number;
    /** total_inactive_file with cgroup v1, inactive_file with v2. */
    stats: { inactive_file?: number; total_inactive_file?: number };
  };
}

/** What these containers have used together. Rejects if the engine cannot be reached. */
export async function usageOf(ids: string[]): Promise<Usage> {
  const all = await Promise.all(ids.map(usageOfOne));
  const sum = (value: (usage: Usage) => number) =>
    all.reduce((total, usage) => total + value(usage), 0);
  return { cpu: sum(({ cpu }) => cpu), memory: sum(({ memory }) => memory) };
}

/** Asks the engine's API: `docker stats` rounds too much. */
async function usageOfOne(id: string): Promise<Usage> {
  const path = `/containers/${id}/stats?stream=false&one-shot=true`;
  const stats = JSON.parse(await getFromEngine(path)) as Stats;
  const { usage, stats: detail } = stats.memory_stats;
  const cache = detail.total_inactive_file ?? detail.inactive_file ?? 0;
  return { cpu: stats.cpu_stats.cpu_usage.total_usage / 1_000, memory: usage - cache };
}

function getFromEngine(path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const call = request({ socketPath: '/var/run/docker.sock', path }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve(text));
  });
  call.on('error', reject);
  call.end();
  return promise;
}

const engineNames = /^(dockerd|containerd|containerd-shim.*)$/;
const tick = 10_000; // microseconds; the unit of /proc on every Linux that Docker runs on

/**
 * Microseconds of CPU time that the engine's processes have used: they copy what the containers log
 * and what passes a published port. NaN if they are not on this machine, as with Docker Desktop.
 */
export function cpuOfEngine(): number {
  const used = processes().flatMap(({ name, ticks }) => (engineNames.test(name) ? [ticks] : []));
  return used.length === 0 ? NaN : used.reduce((sum, ticks) => sum + ticks, 0) * tick;
}

function processes(): { name: string; ticks: number }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const end = stat.lastIndexOf(')'); // a name may contain spaces
        const fields = stat.slice(end + 2).split(' ');
        const name = stat.slice(stat.indexOf('(') + 1, end);
        return [{ name, ticks: Number(fields[11]) + Number(fields[12]) }]; // user and system
      } catch {
        return []; // it has ended
      }
    });
}
