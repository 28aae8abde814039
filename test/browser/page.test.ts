// The web page in a real Chromium, on the booted base stack, or on `npm start` without an engine.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSite, type Site, type Tier } from './site.ts';
import { openBrowser, soon, unique, Visitor } from './visitor.ts';

/** In the page: the label or the text of what has the focus. */
const focusedName = `(
  document.activeElement.ariaLabel ??
  document.activeElement.labels?.[0]?.textContent ??
  document.activeElement.textContent
).trim()`;

/** In the page: 'none' if something has the focus and does not show it. */
const focusStyle = `
  document.activeElement === document.body ||
    getComputedStyle(document.activeElement).outlineStyle`;

/** In the page: hides the tab, or shows it. */
const setHidden = (isHidden: boolean) => `
  Object.defineProperty(document, 'hidden', { get: () => ${isHidden}, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));`;

describe.skipIf(!inject('chromium'))('the web page', () => {
  let site: Site;
  let browser: Browser;
  const visit = (options = {}) => Visitor.open(browser, site.url, options);

  beforeAll(async () => {
    site = await openSite();
    browser = await openBrowser(site);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it('is what browsers get at /; others get the index of the API', async () => {
    const get = (path: string, headers: Record<string, string>) =>
      fetch(`${site.url}${path}`, { headers: { 'Cache-Control': 'max-age=0', ...headers } });
    const index = await get('/', { Accept: '*/*' });
    expect(await index.json()).toMatchObject({ application: 'Task API' });
    expect(index.headers.get('vary')).toContain('Accept');

    const page = await get('/', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('vary')).toMatch(/\bAccept\b(?!-)/);
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; /,
    );
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe');
    const files = [...(await page.text()).matchAll(/(?:src|href)="(\/[a-z]+\.[a-z]+)"/g)].map(
      ([, path]) => path ?? '',
    );
    expect(files).toEqual(['/icon.svg', '/app.css', '/app.js']);
    const types = { svg: 'image/svg+xml', css: 'text/css', js: /^(text|application)\/javascript/ };
    for (const path of files) {
      const file = await get(path, {});
      expect(file.status).toBe(200);
      expect(file.headers.get('content-type')).toMatch(
        types[path.split('.')[1] as keyof typeof types],
      );
      expect(file.headers.get('x-content-type-options')).toBe('nosniff');
      expect(file.headers.get('cache-control')).toBe('no-cache');
      expect((await get(path, { 'If-None-Match': file.headers.get('etag') ?? '' })).status).toBe(
        304,
      );
    }
    expect((await get('/missing.js', {})).status).toBe(404);
    expect(await (await get('/missing.js', {})).json()).toEqual({ error: 'Not found' });
    const post = await fetch(site.url, { method: 'POST', headers: { Accept: 'text/html' } });
    expect([post.status, post.headers.get('allow'), await post.json()]).toEqual([
      405,
      'GET, HEAD',
      { error: 'Method not allowed' },
    ]);
  });

  it('lists, adds, finishes, edits in place and changes the status, also in the API', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.row('Learn Docker Compose').waitFor();
    const title = unique('Water the plants');
    await visitor.add(title);
    expect((await visitor.titles())[0]).toBe(title);
    expect(await page.getByLabel('New task').inputValue()).toBe('');
    await expect.poll(() => page.locator('#said').textContent(), soon).toBe(`Added ${title}`);

    const status = async () =>
      (await visitor.stored()).find((task) => task.title === title)?.status;
    expect(await status()).toBe('pending');
    await page.getByRole('checkbox', { name: `Finished: ${title}` }).check();
    await expect.poll(status, soon).toBe('completed');
    await page.getByRole('checkbox', { name: `Finished: ${title}` }).uncheck();
    await expect.poll(status, soon).toBe('pending');
    await page.getByLabel(`Status of ${title}`).selectOption('in progress');
    await expect.poll(status, soon).toBe('in_progress');

    await page.getByRole('button', { name: `Edit ${title}` }).click();
    const field = page.getByLabel(`New title of ${title}`);
    await field.fill('dropped');
    await field.press('Escape');
    await visitor.row(title).waitFor();
    await page.getByRole('button', { name: `Edit ${title}` }).click();
    const renamed = unique('Water the tomatoes');
    await field.fill(renamed);
    await page.getByRole('button', { name: 'Save' }).click();
    // The row shows the new title before the API has stored it.
    await visitor.row(renamed).waitFor();
    const titles = async () => (await visitor.stored()).map((task) => task.title);
    await expect.poll(titles, soon).toContain(renamed);
    expect(await titles()).not.toContain(title);
    expect(visitor.problems).toEqual([]);
  });

  it('says what is wrong with a title, and keeps what was typed', async () => {
    const visitor = await visit();
    const { page } = visitor;
    const before = (await visitor.stored()).length;
    await page.getByLabel('New task').fill('x'.repeat(256));
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.locator('#title-problem').textContent(), soon)
      .toBe("Not added: 'title' must be at most 255 characters long.");
    expect(await page.getByLabel('New task').getAttribute('aria-invalid')).toBe('true');
    expect(await page.getByLabel('New task').inputValue()).toHaveLength(256);
    const title = unique('short enough');
    await visitor.add(title);
    expect(await page.locator('#title-problem').textContent()).toBe('');
    expect(await visitor.stored()).toHaveLength(before + 1);
    expect(visitor.surprises).toEqual([]);
  });

  describe('deletes', () => {
    const setUp = async () => {
      const visitor = await visit();
      const title = unique('to be deleted');
      await visitor.add(title);
      const isStored = async () => (await visitor.stored()).some((task) => task.title === title);
      const press = () => visitor.page.getByRole('button', { name: `Delete ${title}` }).click();
      const sent = () => visitor.requests.filter((request) => request.method() === 'DELETE').length;
      return {
        visitor,
        title,
        isStored,
        press,
        sent,
        undo: visitor.page.getByRole('button', { name: 'Undo' }),
      };
    };

    it('with undo, which brings the same task back to its place', async () => {
      const { visitor, title, isStored, press, sent, undo } = await setUp();
      const before = await visitor.stored();
      await press();
      await visitor.row(title).waitFor({ state: 'detached' });
      await undo.click();
      await visitor.row(title).waitFor();
      expect((await visitor.titles())[0]).toBe(title);
      expect([sent(), await isStored()]).toEqual([0, true]);
      expect(await visitor.stored()).toEqual(before);
      expect(visitor.problems).toEqual([]);
    });

    it('for good after a while, unless somebody is about to undo it', async () => {
      const { visitor, press, isStored, undo } = await setUp();
      await visitor.page.clock.install();
      await press();
      await undo.hover();
      await visitor.page.clock.fastForward(60_000);
      expect([await undo.isVisible(), await isStored()]).toEqual([true, true]);
      await visitor.page.mouse.move(0, 0);
      await visitor.page.clock.fastForward(10_000);
      await expect.poll(isStored, soon).toBe(false);
      expect(await undo.isVisible()).toBe(false);
      expect(visitor.problems).toEqual([]);
    });

    it('for good at once when the next one is deleted, and when the page is left', async () => {
      const { visitor, title, isStored, press } = await setUp();
      const next = unique('next');
      await visitor.add(next);
      await press();
      await visitor.page.getByRole('button', { name: `Delete ${next}` }).click();
      await expect.poll(isStored, soon).toBe(false);
      expect((await visitor.stored()).map((task) => task.title)).toContain(next);
      await visitor.page.goto('about:blank');
      await expect
        .poll(async () => (await visitor.stored()).map((task) => task.title), soon)
        .not.toContain(next);
      expect((await visitor.stored()).map((task) => task.title)).not.toContain(title);
    });
  });

  it('filters by status, searches, and loads more to the end, each task once', async () => {
    const visitor = await visit();
    const { page } = visitor;
    const name = unique('batch');
    const created = Array.from({ length: 120 }, (_, n) => `${name} ${n}`);
    for (const title of created)
      await visitor.create(title, Number(title.split(' ').at(-1)) % 2 ? 'done' : 'pending');
    const rows = page.locator('#list li');

    await page.getByLabel('Search').fill(name.toUpperCase());
    await expect.poll(() => visitor.titles(), soon).toEqual(created.toReversed().slice(0, 50));
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => rows.count(), soon).toBe(100);
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => rows.count(), soon).toBe(120);
    expect(await visitor.titles()).toEqual(created.toReversed());
    expect(await page.getByRole('button', { name: 'Load more' }).isVisible()).toBe(false);

    const done = created.filter((_, n) => n % 2).toReversed();
    await page.getByLabel('Status', { exact: true }).selectOption('done');
    await expect.poll(() => visitor.titles(), soon).toEqual(done.slice(0, 50));
    await page.getByRole('button', { name: 'Load more' }).click();
    await expect.poll(() => visitor.titles(), soon).toEqual(done);
    await page.getByLabel('Search').fill('no task has this title');
    await expect.poll(() => page.locator('#count').textContent(), soon).toBe('0 tasks');
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Status', { exact: true }).selectOption('all');
    await expect
      .poll(() => page.locator('#count').textContent(), soon)
      .toMatch(/^The newest 50 tasks \(there are more\): \d+ /);
    expect(visitor.problems).toEqual([]);
  });

  it('shows what others do without a reload, by polls that cost nothing when idle', async () => {
    const [one, other] = [await visit(), await visit()];
    const title = unique('from the other');
    await one.ready();
    await other.ready();
    // What somebody is typing stays.
    await other.page.locator('#list li').last().getByRole('button', { name: /^Edit/ }).click();
    await other.page.keyboard.type('half a tit');
    await one.add(title);
    await other.row(title).waitFor();
    expect((await other.titles())[0]).toBe(title);
    expect(await other.page.locator('#said').textContent()).toBe(`New: ${title}`);
    await one.page.getByRole('checkbox', { name: `Finished: ${title}` }).check();
    await expect
      .poll(
        () => other.page.getByRole('checkbox', { name: `Finished: ${title}` }).isChecked(),
        soon,
      )
      .toBe(true);
    await one.page.getByRole('button', { name: `Delete ${title}` }).click();
    await one.page.goto('about:blank');
    await other.row(title).waitFor({ state: 'detached' });
    expect(await other.page.locator('#list form input:visible').inputValue()).toBe('half a tit');

    const answers = async () =>
      Promise.all(other.requests.map(async (request) => (await request.response())?.status()));
    await expect.poll(async () => (await answers()).at(-1), soon).toBe(304);
    expect(await other.requests.at(-1)?.headerValue('if-none-match')).toMatch(/^(W\/)?".+"$/);
    expect(other.problems).toEqual([]);
  });

  it('asks for nothing while nobody sees it, and at once when somebody does', async () => {
    const visitor = await visit();
    await visitor.ready();
    await visitor.page.evaluate(setHidden(true));
    await visitor.page.waitForTimeout(2_500); // until nothing is under way
    const before = visitor.requests.length;
    await visitor.page.waitForTimeout(5_000);
    expect(visitor.requests).toHaveLength(before);
    await visitor.page.evaluate(setHidden(false));
    await expect.poll(() => visitor.requests.length, { timeout: 1_500 }).toBeGreaterThan(before);
  });

  it('sends a task without an answer again, under the same key; it is stored once', async () => {
    const visitor = await visit();
    const title = unique('lost');
    let isLost = false;
    await visitor.page.route('**/api/tasks', async (route) => {
      if (isLost) return route.continue();
      isLost = true;
      await route.fetch();
      await route.abort();
    });
    await visitor.add(title);
    const posts = visitor.requests.filter((request) => request.method() === 'POST');
    const keys = await Promise.all(posts.map((request) => request.headerValue('idempotency-key')));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^\d+(-\d+){3}$/);
    expect(keys[1]).toBe(keys[0]);
    expect((await visitor.stored()).filter((task) => task.title === title)).toHaveLength(1);
    expect(await visitor.page.getByLabel('New task').inputValue()).toBe('');
    expect(visitor.surprises).toEqual([]);
  });

  it('shows the time by tier, the replica and the id that both logs have', async () => {
    const visitor = await visit();
    const title = unique('traced');
    await visitor.add(title);
    const entry = visitor.page.locator('#requests li').filter({ hasText: 'POST /api/tasks' });
    const id = (await entry.locator('code').textContent()) ?? '';
    expect(await entry.textContent()).toContain('201 in ');
    const times = site.stack
      ? /^network [\d.]+ \+ web [\d.]+ \+ api [\d.]+ \+ db [\d.]+$/
      : /^network [\d.]+ \+ api [\d.]+ \+ db [\d.]+$/;
    expect(await entry.locator('small').first().textContent()).toMatch(times);
    expect(await visitor.page.locator('#db small').textContent()).toMatch(/^[\d.]+ ms$/);
    if (!site.stack) return;
    const replica = (await site.stack.inspect('api')).Id.slice(0, 12);
    expect(await entry.textContent()).toContain(`replica ${replica}, id`);
    for (const tier of ['web', 'api']) {
      await expect
        .poll(
          () => site.stack?.log(tier).then((lines) => lines.some((line) => line.includes(id))),
          soon,
        )
        .toBe(true);
    }
    expect(visitor.problems).toEqual([]);
  });

  it('can be used with the keyboard alone, and shows where the focus is', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.ready();
    const focused = () => page.evaluate<string>(focusedName);
    /** Presses Tab until this has the focus; each stop on the way must show it. */
    const tabTo = async (name: string, key = 'Tab') => {
      for (let n = 0; n < 60; n++) {
        if ((await focused()) === name) return;
        await page.keyboard.press(key);
        expect(await page.evaluate(focusStyle)).not.toBe('none');
      }
      throw new Error(`no way to ${name}`);
    };
    await tabTo('Skip to the tasks');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('New task');
    const title = unique('by keyboard');
    await page.keyboard.type(title);
    await page.keyboard.press('Enter');
    await visitor.row(title).waitFor();
    await tabTo(`Finished: ${title}`);
    await page.keyboard.press('Space');
    await expect
      .poll(async () => (await visitor.stored()).find((task) => task.title === title)?.status, soon)
      .toBe('completed');
    await tabTo(`Status of ${title}`);
    await page.keyboard.press('ArrowUp');
    await expect
      .poll(async () => (await visitor.stored()).find((task) => task.title === title)?.status, soon)
      .toBe('in_progress');
    await tabTo(`Edit ${title}`);
    await page.keyboard.press('Enter');
    expect(await focused()).toBe(`New title of ${title}`);
    await page.keyboard.press('End');
    await page.keyboard.type('!');
    await page.keyboard.press('Enter');
    await visitor.row(`${title}!`).waitFor();
    await expect.poll(focused, soon).toBe(`Edit ${title}!`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await visitor.row(`${title}!`).waitFor({ state: 'detached' });
    await expect.poll(focused, soon).toBe('Undo');
    await page.keyboard.press('Enter');
    await expect.poll(focused, soon).toBe(`Delete ${title}!`);
    await tabTo('Search', 'Shift+Tab');
    await page.keyboard.type(title);
    await expect.poll(() => visitor.titles(), soon).toEqual([`${title}!`]);
    expect(visitor.problems).toEqual([]);
  });

  it('shows <script> and 515 other naughty titles as text', async () => {
    const visitor = await visit();
    const { page } = visitor;
    const titles = naughtyTitles();
    expect(titles.length).toBeGreaterThanOrEqual(515);
    const script =
      '<script>document.title = "owned"</script><img src=x onerror="document.title = 1">';
    await visitor.add(script);
    const shown = [script];
    for (const title of titles) {
      const { status, task } = await visitor.create(title);
      // No title, so refused: white space alone, text that is too long, or no text at all.
      expect([status, title]).toEqual([task ? 201 : 400, title]);
      expect(task !== undefined).toBe(isTitle(title));
      if (task) shown.unshift(title.trim());
    }
    expect(shown.length).toBeGreaterThan(500);
    const more = page.getByRole('button', { name: 'Load more' });
    await page.reload();
    await visitor.ready();
    for (let n = 50; n < shown.length; n += 50) {
      await more.click();
      await expect
        .poll(() => page.locator('#list li').count(), soon)
        .toBeGreaterThanOrEqual(Math.min(n + 50, shown.length));
    }
    expect((await visitor.titles()).slice(0, shown.length)).toEqual(shown);
    expect(await page.title()).toBe('Task app');
    expect(await page.locator('#list :is(script, img, a, iframe, svg, style, b)').count()).toBe(0);
    // No title makes the page wider than a small screen.
    await page.setViewportSize({ width: 320, height: 800 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);

    // Typed, edited and announced, too.
    for (const title of titles
      .filter((text) => /[<>&"'`{]/.test(text) && isTitle(text) && text === text.trim())
      .slice(0, 12)) {
      await page.locator('#title').fill(title); // finding it by label takes seconds with 500 rows
      await page.locator('#new button').click();
      await expect.poll(() => page.locator('#said').textContent(), soon).toBe(`Added ${title}`);
      expect((await visitor.titles())[0]).toBe(title);
    }
    expect(await page.title()).toBe('Task app');
    expect(visitor.surprises).toEqual([]);
  });

  it.each(['light', 'dark'] as const)(
    'has no fault that axe finds, in %s, at work and in need',
    async (colorScheme) => {
      const visitor = await visit({ colorScheme, bypassCSP: true, reducedMotion: 'reduce' });
      const { page } = visitor;
      await visitor.ready();
      expect(await faults(page)).toEqual([]);
      await page.getByLabel('New task').fill(' ');
      await page.keyboard.press('Enter');
      await page.locator('#list li').first().getByRole('button', { name: /^Edit/ }).click();
      await page
        .locator('#list li')
        .nth(1)
        .getByRole('button', { name: /^Delete/ })
        .click();
      await page.locator('#title-problem').getByText('Not added').waitFor();
      expect(await faults(page)).toEqual([]);
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.route('**/api/tasks', (route) => {
        return route.request().method() === 'POST' ? route.abort() : route.continue();
      });
      await page.getByLabel('New task').fill('has no answer');
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'Discard' }).waitFor();
      await page.route('**/healthz', (route) =>
        route.fulfill({ status: 502, json: { error: 'The API does not answer' } }),
      );
      await expect.poll(async () => (await visitor.tiers()).api, soon).toBe('down');
      await page.setViewportSize({ width: 320, height: 800 });
      expect(await faults(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
    },
  );

  describe('while a tier is away', () => {
    const up = { web: 'up', api: 'up', db: 'up' };
    const seen: Record<Tier, { tiers: Record<Tier, string>; says: RegExp }> = {
      web: {
        tiers: { web: 'down', api: 'unknown', db: 'unknown' },
        says: /^nginx or the network to it is down/,
      },
      api: {
        tiers: { web: 'up', api: 'down', db: 'unknown' },
        says: /^The API is down: nginx answers 502\.$/,
      },
      db: {
        tiers: { web: 'up', api: 'up', db: 'down' },
        says: /^The database is down\. The API says: database unreachable\.$/,
      },
    };

    it.for(['web', 'api', 'db'] as const)(
      '%s: says so, keeps the list, recovers by itself, and adds what was typed meanwhile once',
      async (tier, { skip }) => {
        const hasNginx = site.stack !== undefined;
        skip(
          !hasNginx && tier !== 'api',
          'npm start has nothing but the API that could be stopped',
        );
        const visitor = await visit();
        const { page } = visitor;
        await expect
          .poll(() => visitor.tiers(), soon)
          .toEqual(hasNginx ? up : { ...up, web: 'not in use' });
        await expect.poll(() => visitor.titles(), soon).not.toEqual([]);
        const titles = await visitor.titles();
        await site.stop(tier);
        const { tiers, says: summary } = hasNginx
          ? seen[tier]
          : { tiers: { web: 'not in use', api: 'down', db: 'unknown' }, says: /^The API is down/ };
        await expect.poll(() => visitor.tiers(), soon).toEqual(tiers);
        expect(await page.locator('#summary').textContent()).toMatch(summary);
        expect(await page.locator('#stale').textContent()).toBe(
          'The tasks below may be out of date.',
        );
        expect(await visitor.titles()).toEqual(titles);
        if (hasNginx && tier !== 'web') {
          const late = await visit();
          await late.page.getByText('The tasks will appear when the stack is back.').waitFor();
          await late.page.close();
        }

        const title = unique(`while ${tier} is away`);
        await page.getByLabel('New task').fill(title);
        await page.keyboard.press('Enter');
        const draft = page.locator('#drafts li').filter({ hasText: title });
        const unsent = tier === 'web' || !hasNginx ? 'It may or may not have been' : 'Not';
        const promise = 'This tab keeps trying, and adds it only once.';
        const says = new RegExp(`^${unsent} added: .+\\. ${promise}$`);
        await expect.poll(() => draft.locator('.problem').textContent(), soon).toMatch(says);
        const first = page.locator('#list li').first().getByRole('checkbox');
        const wasChecked = await first.isChecked();
        await first.click();
        const failure = page.locator('#list li').first().locator('.problem');
        await expect
          .poll(() => failure.textContent(), soon)
          .toMatch(new RegExp(`^${unsent} changed: `));
        // It shows what is stored.
        await expect.poll(() => first.isChecked(), soon).toBe(wasChecked);

        await site.start(tier);
        await visitor.row(title).waitFor({ timeout: 30_000 });
        await expect
          .poll(() => visitor.tiers(), soon)
          .toEqual(hasNginx ? up : { ...up, web: 'not in use' });
        await expect.poll(() => page.locator('#stale').textContent(), soon).toBe('');
        expect((await visitor.stored()).filter((task) => task.title === title)).toHaveLength(1);
        expect(await page.getByLabel('New task').inputValue()).toBe('');
        expect(visitor.surprises).toEqual([]);
      },
    );
  });

  it.runIf(process.env.SCREENSHOTS === '1').each([1280, 768, 320])(
    'is in docs/ as it looks at %i px',
    async (width) => {
      const visitor = await visit({
        viewport: { width, height: 800 },
        colorScheme: width === 768 ? 'dark' : 'light',
        locale: 'en-GB',
      });
      if (width === 1280) await visitor.add('Read the README');
      await expect
        .poll(() => visitor.page.locator('#requests').textContent(), soon)
        .toContain('304');
      await visitor.page.screenshot({ path: `docs/page-${width}.png` });
    },
  );
});

/** What axe-core finds against WCAG 2.2 AA and its own best practices, in a few words. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(
    readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'),
  );
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { html: string }[] }[];
  }>("axe.run({ rules: { 'target-size': { enabled: true } }, resultTypes: ['violations'] })");
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** The Big List of Naughty Strings, and what came up after it. */
function naughtyTitles(): string[] {
  const list = createRequire(import.meta.url)('big-list-of-naughty-strings') as string[];
  const controls = Array.from(
    { length: 31 },
    (_, n) => `control ${String.fromCharCode(n + 1)} character ${n + 1}`,
  );
  const marks =
    '\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e' +
    '\u2028\u2029\u2066\u2067\u2068\u2069\ufeff\ufff9';
  const directions = [...marks].map((mark) => `a${mark}b</span>`);
  const markup = [
    '{{constructor.constructor("alert(1)")()}}',
    '<svg/onload=alert(1)>',
    '<math><mi//xlink:href="data:x,<script>alert(1)</script>">',
    '</template><script>alert(1)</script>',
  ];
  const long = [
    ' \u3000 padded \u00a0',
    '👩‍👩‍👧‍👦'.repeat(36),
    'Ẑ͆'.repeat(127),
    '\u{10ffff}'.repeat(255),
    '𒐫'.repeat(255),
    'W'.repeat(255),
  ];
  return [...new Set([...list, ...controls, ...directions, ...markup, ...long])];
}

/** The contract's rule for a title. */
const isTitle = (text: string) =>
  text.trim() !== '' &&
  [...text.trim()].length <= 255 &&
  !text.includes('\0') &&
  text.isWellFormed();
