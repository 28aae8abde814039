// Builds the images of a submission, each under a name of our own: its own names are those of
// images that others use.
import { failureOf, type Outcome } from './command.ts';
import { type Asked, dockerfileOf, entriesOf, type Keys } from './asked.ts';
import { unescaped } from '../model.ts';
import { type Docker, flags } from './docker.ts';
import { label, type Names } from './fenced.ts';
import { limits } from './limits.ts';

interface Build extends Keys {
  context: string;
  dockerfile?: string;
  dockerfile_inline?: string;
  target?: string;
  args?: Record<string, string | null> | null;
}

/** Builds one service after another, within one time limit. Returns what went wrong. */
export async function buildImages(
  model: Asked,
  names: Names,
  { docker, parent, limitMs: allMs }: { docker: Docker; parent: string; limitMs: number },
): Promise<string[]> {
  const end = Date.now() + allMs;
  const faults: string[] = [];
  for (const [service, { build }] of entriesOf(model.services)) {
    if (!build) continue;
    const limitMs = Math.max(1_000, end - Date.now());
    const args = buildArguments(build as Build, service, names, parent);
    const input = (build as Build).dockerfile_inline;
    const more = { limitMs, ...(input === undefined ? {} : { input: unescaped(input) }) };
    const ended = await docker(args, more);
    if (!ended.ok) faults.push(`the build of ${service}: ${failureOfBuild(ended)}`);
  }
  return faults;
}

function buildArguments(build: Build, service: string, names: Names, parent: string): string[] {
  const { dockerfile = 'Dockerfile', dockerfile_inline: inline, target, args } = build;
  const context = unescaped(build.context);
  const file = dockerfileOf(build.context, dockerfile);
  const options = {
    progress: 'plain',
    'cgroup-parent': parent,
    ulimit: `fsize=${limits.fileBytes}`,
    tag: names.imageOf(service),
    label: `${label}=${names.project}`,
    file: inline === undefined ? file : '-',
    target: target || undefined,
  };
  const values = Object.entries(args ?? {}).filter(([, value]) => value !== null);
  // Otherwise all builds of this machine share the directories of RUN --mount=type=cache.
  values.push(['BUILDKIT_CACHE_MOUNT_NS', names.project]);
  const set = ([name, value]: [string, unknown]) =>
    `--build-arg=${name}=${unescaped(String(value))}`;
  return ['build', ...flags(options), ...values.map(set), context];
}

/** The lines around the error: what BuildKit prints last only repeats the instruction. */
function failureOfBuild(ended: Outcome): string {
  const lines = ended.stderr.split('\n');
  const error = lines.findIndex((line) => /^#\d+ ERROR|^ERROR/.test(line));
  if (ended.ended !== '' || error < 0) return failureOf(ended);
  return lines.slice(Math.max(0, error - 6), error + 1).join('\n');
}
