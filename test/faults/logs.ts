import type { Production } from '../lib/production.ts';
import { docker } from '../lib/stack.ts';

// What the entrypoint of nginx's image says before nginx starts.
const entrypoint = /^(\/docker-entrypoint|\d\d-[\w-]+)\.(sh|envsh): /;

/** The log lines of nginx (not of its error log, which is text) and of all replicas of the API. */
export async function logLines(stack: Production): Promise<{ web: string[]; api: string[] }> {
  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  const web = lines((await stack.logStreams('web')).stdout).filter(
    (line) => !entrypoint.test(line),
  );
  const api = await Promise.all(
    (await stack.compose('ps', '--quiet', 'api'))
      .trim()
      .split('\n')
      .map((id) => docker('logs', id)),
  );
  return { web, api: api.flatMap(lines) };
}

/** The lines that break a program which expects a JSON object on each. */
export async function linesThatAreNotJson(stack: Production): Promise<string[]> {
  const { web, api } = await logLines(stack);
  if (web.length === 0 || api.length === 0) throw new Error('there is no log');
  return [...web, ...api].filter((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value !== 'object' || value === null;
    } catch {
      return true;
    }
  });
}
