// A person in front of the page.
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
  type Request,
} from 'playwright-core';
import { inject, onTestFinished } from 'vitest';
import { apart, canBeApart } from './apart.ts';

/** How long to wait for what the page shows after an answer. */
export const soon = { timeout: 15_000, interval: 100 };

/** Text that no other test uses. */
export const unique = (prefix: string) => `${prefix} ${crypto.randomUUID().slice(0, 8)}`;

/** Chromium for a site, also as root, without requests of its own. The caller closes it. */
export async function openBrowser({ url }: { url: string }): Promise<Browser> {
  const executablePath = inject('chromium');
  const network = canBeApart() ? await apart(executablePath, Number(new URL(url).port)) : undefined;
  const quiet = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map(
    (part) => `--disable-${part}`,
  );
  const args = [...quiet, '--no-first-run'];
  const browser = await chromium.launch({ executablePath, ...network?.launch, args });
  browser.on('disconnected', () => network?.close());
  return browser;
}

export interface Task {
  id: number;
  title: string;
  status: string;
}

/** One browser profile with the page open, and all that went wrong in it. */
export class Visitor {
  readonly page: Page;
  readonly url: string;
  /** What the console and the page complain about, and requests to other hosts. */
  readonly problems: string[] = [];
  /** Requests to /api/, in their order. */
  readonly requests: Request[] = [];

  private constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    page.on(
      'console',
      (message) =>
        ['error', 'warning'].includes(message.type()) && this.problems.push(message.text()),
    );
    page.on('pageerror', (error) => this.problems.push(String(error)));
    page.context().on('request', (request) => {
      if (!request.url().startsWith(`${url}/`)) this.problems.push(`request to ${request.url()}`);
      if (request.url().startsWith(`${url}/api/`)) this.requests.push(request);
    });
  }

  /** Opens the page; its context is closed after the test. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
    onTestFinished(() => context.close());
    const visitor = new Visitor(await context.newPage(), url);
    visitor.page.setDefaultTimeout(15_000);
    // Chromium drops its requests when the machine's network changes, as when a container starts.
    const load = (): Promise<unknown> =>
      visitor.page.goto(url).catch((error: Error) => {
        if (error.message.includes('ERR_NETWORK_CHANGED')) return load();
        throw error;
      });
    await load();
    return visitor;
  }

  /** Problems, without what the browser itself says of a 4xx, a 5xx or no answer. */
  get surprises(): string[] {
    return this.problems.filter((problem) => !problem.startsWith('Failed to load resource: '));
  }

  /** Resolves when the list is there. */
  ready(): Promise<void> {
    return this.page.locator('#list li').first().waitFor();
  }

  row(title: string): Locator {
    return this.page
      .locator('#list li')
      .filter({ has: this.page.getByText(title, { exact: true }) });
  }

  /** The titles in the list, as they are shown. */
  titles(): Promise<string[]> {
    return this.page
      .locator('#list .title')
      .evaluateAll((titles) => titles.map(({ textContent }) => textContent ?? ''));
  }

  async add(title: string): Promise<void> {
    await this.page.getByLabel('New task').fill(title);
    await this.page.getByRole('button', { name: 'Add', exact: true }).click();
    await this.row(title).waitFor();
  }

  /** What the picture says of the three tiers. */
  async tiers(): Promise<Record<string, string>> {
    const said = await this.page.locator('#tiers em').allTextContents();
    const [, web = '', api = '', db = ''] = said; // the first is the browser
    return { web, api, db };
  }

  /** All tasks, as the API lists them to the same person. */
  async stored(query = ''): Promise<Task[]> {
    const answer = await this.page.request.get(`${this.url}/api/tasks?limit=500${query}`);
    return ((await answer.json()) as { tasks: Task[] }).tasks;
  }

  /** Creates a task as another client would. */
  async create(title: string, status = 'pending'): Promise<{ status: number; task?: Task }> {
    const answer = await this.page.request.post(`${this.url}/api/tasks`, {
      data: { title, status },
    });
    return { status: answer.status(), ...((await answer.json()) as { task?: Task }) };
  }
}
