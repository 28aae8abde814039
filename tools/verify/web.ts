// Requests to the project's web service.
import { setTimeout as sleep } from 'node:timers/promises';
import { runningContainer } from './containers.ts';
import { NotPossible } from './errors.ts';
import { type Answer, ask, type Call, certificateName } from './http.ts';
import type { Container } from './model.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';

interface Published {
  /** The port in the container, such as 80/tcp. */
  port: string;
  HostIp: string;
  HostPort: string;
}

function publishedPorts({ NetworkSettings }: Container): Published[] {
  return Object.entries(NetworkSettings.Ports).flatMap(([port, bindings]) =>
    (bindings ?? []).map((binding) => ({ port, ...binding })),
  );
}

const isPlain = ({ port }: Published) => port.startsWith('80/');

function addressOf(scheme: string, { HostIp, HostPort }: Published): URL {
  const isAny = ['0.0.0.0', '::', ''].includes(HostIp);
  const host = isAny ? 'localhost' : HostIp;
  const inBrackets = host.includes(':') ? `[${host}]` : host;
  return new URL(`${scheme}://${inBrackets}:${HostPort}`);
}

/** The port that speaks TLS, whatever its number is; otherwise 80. */
async function findUrl(project: Project): Promise<URL> {
  if (project.options.url !== undefined) return new URL(project.options.url);
  const published = publishedPorts(await runningContainer(project, 'web'));
  const secure = published.map((port) => addressOf('https', port));
  const names = await Promise.all(secure.map(certificateName));
  const withTls = secure.find((_url, n) => names[n] !== undefined);
  if (withTls) return withTls;
  const best = published.find(isPlain) ?? published[0];
  if (!best) throw new NotPossible(say('shared.no-port'));
  return addressOf('http', best);
}

/** Where web answers. Throws NotPossible if it does not run, or publishes no port. */
const webUrl = (project: Project): Promise<URL> => project.once('url', () => findUrl(project));

/** The name on web's certificate, unless the user gave the address: then that name counts. */
function certificateNameOf(project: Project): Promise<string | undefined> {
  return project.once('name', async () => {
    const url = await webUrl(project);
    const isGiven = project.options.url !== undefined;
    return isGiven || url.protocol !== 'https:' ? undefined : certificateName(url);
  });
}

/** One request, without a look at whether web answers at all. */
async function send(project: Project, path: string, call: Call = {}): Promise<Answer> {
  const { token, trust = {} } = project.options;
  const needsToken = token !== undefined && path.startsWith('/api');
  const headers = {
    ...(needsToken && { Authorization: `Bearer ${token}` }),
    ...call.headers,
  };
  const url = await webUrl(project);
  const name = await certificateNameOf(project);
  return ask(new URL(path, url), { ...call, headers }, { ...trust, name });
}

async function findAnswer(project: Project): Promise<void> {
  const { origin, protocol } = await webUrl(project);
  const answer = await send(project, '/nginx-health').catch((error: unknown) => error as Error);
  if (answer instanceof NotPossible) throw answer;
  if (answer instanceof Error) throw new NotPossible(`${origin}: ${answer.message}`);
  if (protocol !== 'http:' || answer.status >= 400) return;
  const { status, location } = await send(project, '/healthz').catch(() => answer);
  if (status >= 300 && status < 400)
    throw new NotPossible(say('shared.redirects', { origin, location }));
}

/** Throws NotPossible if nothing answers at web's address, or if it redirects elsewhere. */
export const mustAnswer = (project: Project): Promise<void> =>
  project.once('answers', () => findAnswer(project));

/**
 * One request. Throws an Error if it gets no answer, and NotPossible if web answers nothing at all
 * or the API wants a token.
 */
export async function request(project: Project, path: string, call: Call = {}): Promise<Answer> {
  await mustAnswer(project);
  const answer = await patiently(project, path, call).catch((error: unknown) => {
    throw new Error(`${call.method ?? 'GET'} ${path}: ${(error as Error).message}`);
  });
  if (answer.status === 401 && path.startsWith('/api')) {
    const hasToken = project.options.token !== undefined;
    throw new NotPossible(hasToken ? say('shared.token-rejected') : say('shared.token-needed'));
  }
  return answer;
}

const usualMs = 300; // what an answer may take before the time limits grow
const tries = 6;

/** True if the stack limits how often it is asked. nginx does so with a 503 of its own. */
const isLimited = ({ status, text }: Answer) =>
  status === 429 || (status === 503 && text.includes('503 Service Temporarily Unavailable'));

/** Returns the answer. Counts it as unanswered unless it came from the application. */
async function counted(project: Project, sent: Promise<Answer>): Promise<Answer> {
  const answer = await sent.catch((error: unknown) => error as Error);
  if (answer instanceof Error || answer.status >= 502) project.unanswered += 1;
  if (answer instanceof Error) throw answer;
  return answer;
}

/** Sends a request again after a refusal, and remembers how long the stack lets us wait. */
async function patiently(project: Project, path: string, call: Call): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const from = performance.now();
    const answer = await counted(project, send(project, path, call));
    project.waitedMs += Math.max(0, performance.now() - from - usualMs);
    if (!isLimited(answer) || attempt === tries) return answer;
    const seconds = Math.min(30, Number(answer.retryAfter) || attempt);
    project.waitedMs += seconds * 1_000;
    await sleep(seconds * 1_000);
  }
}

/** The status of an answer, or undefined if there is none. Never throws: it is for waiting. */
export function statusOf(project: Project, path: string, call?: Call): Promise<number | undefined> {
  return send(project, path, call).then(
    ({ status }) => status,
    () => undefined,
  );
}
