// What a container has used, as the engine's API tells it: `docker stats` rounds too much.
import { request } from 'node:http';

export interface Usage {
  /** Nanoseconds of CPU time since the container started. */
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

/** What the container has used so far. Rejects if the engine cannot be reached. */
export async function usageOf(id: string): Promise<Usage> {
  const path = `/containers/${id}/stats?stream=false&one-shot=true`;
  const stats = JSON.parse(await getFromEngine(path)) as Stats;
  const { usage, stats: detail } = stats.memory_stats;
  const cache = detail.total_inactive_file ?? detail.inactive_file ?? 0;
  return { cpu: stats.cpu_stats.cpu_usage.total_usage, memory: usage - cache };
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
