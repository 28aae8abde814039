// What the page shows and where: on small screens, with a filter, while tiers change.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSite, type Site } from './site.ts';
import { openBrowser, soon, unique, Visitor } from './visitor.ts';

/** In the page: the short statuses that their lists cut off. */
const cutStatuses = `
  [...document.querySelectorAll('#list select')].filter((select) => {
    if (select.value.length > 11) return false;
    const [was, option] = [select.offsetWidth, select.selectedOptions[0]];
    const copy = select.cloneNode();
    copy.append(new Option(option.text));
    copy.style.cssText = 'position: absolute; width: max-content; max-width: none';
    select.after(copy);
    const wanted = copy.offsetWidth;
    copy.remove();
    return wanted > was;
  }).map((select) => select.value)`;

describe.skipIf(!inject('chromium'))('the view of the web page', () => {
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    site = await openSite();
    browser = await openBrowser(site);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  async function setUp(options = {}) {
    const visitor = await Visitor.open(browser, site.url, options);
    await visitor.ready();
    const text = (selector: string) => () => visitor.page.locator(selector).textContent();
    return { visitor, page: visitor.page, text };
  }

  /** The page as nginx serves it; `npm start` has none. */
  const withNginx = (page: Page) =>
    page.route('**/nginx-health', (route) => route.fulfill({ status: 200, body: 'healthy\n' }));

  it.each([320, 375, 768, 1280])('has room for a long status at %i px', async (width) => {
    const { visitor, page } = await setUp({ viewport: { width, height: 800 } });
    const status = `waiting_for_${'w'.repeat(38)}`;
    const title = unique('of a long status');
    await visitor.create(title, status);
    await visitor.row(title).waitFor();
    await page.getByLabel('Status', { exact: true }).selectOption(status);
    await expect.poll(() => visitor.titles(), soon).toContain(title);
    const search = await page.getByLabel('Search').boundingBox();
    expect(search?.width).toBeGreaterThan(130);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(await visitor.row(title).locator('small').textContent()).toContain('waiting for www');

    await page.getByLabel('Status', { exact: true }).selectOption('all');
    await visitor.row('Learn Docker Compose').waitFor();
    expect(await page.evaluate<string[]>(cutStatuses)).toEqual([]);
    expect(visitor.problems).toEqual([]);
  });

  it.each([320, 1280])('stays where it is when a tier changes, at %i px', async (width) => {
    const { visitor, page } = await setUp({ viewport: { width, height: 800 } });
    let health = 200;
    let isReachable = true;
    await page.route('**/nginx-health', (route) => {
      return isReachable ? route.fulfill({ status: 200 }) : route.abort();
    });
    await page.route('**/healthz', (route) => {
      const json = { status: 'unhealthy', reason: 'database unreachable' };
      return health === 200 ? route.continue() : route.fulfill({ status: health, json });
    });
    const tops = () => {
      return Promise.all(
        ['#columns', '#new', '#count', '#list'].map(async (selector) => {
          return (await page.locator(selector).boundingBox())?.y ?? 0;
        }),
      );
    };
    const becomes = async (tiers: Record<string, string>) => {
      await expect.poll(() => visitor.tiers(), soon).toEqual(tiers);
    };
    await becomes({ web: 'up', api: 'up', db: 'up' });
    const before = await tops();
    const jump = async () => {
      const now = await tops();
      return Math.max(...now.map((top, n) => Math.abs(top - (before[n] ?? 0))));
    };
    health = 503;
    await becomes({ web: 'up', api: 'up', db: 'down' });
    expect(await jump()).toBeLessThan(1);
    health = 502;
    await becomes({ web: 'up', api: 'down', db: 'unknown' });
    expect(await jump()).toBeLessThan(1);
    health = 504;
    await becomes({ web: 'up', api: 'unknown', db: 'unknown' });
    expect(await jump()).toBeLessThan(1);
    isReachable = false;
    await becomes({ web: 'down', api: 'unknown', db: 'unknown' });
    expect(await page.locator('#stale').textContent()).not.toBe('');
    expect(await jump()).toBeLessThan(1);
  });

  it('shows the way from the browser to the database, and what stops each tier', async () => {
    const { visitor, page } = await setUp();
    await withNginx(page);
    await expect.poll(async () => (await visitor.tiers()).web, soon).toBe('up');
    const boxes = await page.locator('#tiers b').allTextContents();
    expect(boxes).toEqual(['Browser', 'nginx', 'Express', 'PostgreSQL']);
    const lines = await page.locator('#tiers p').allInnerTexts();
    const { port } = new URL(site.url);
    expect(lines.map((line) => line.replace('\n', ' '))).toEqual([
      `network :${port}`,
      'frontend :8080',
      'backend :5432',
    ]);
    const commands = page.locator('#tiers code');
    const stop = ['web', 'api', 'db'].map((tier) => `docker compose stop ${tier}`);
    expect(await commands.allInnerTexts()).toEqual(stop);
    const json = { status: 'unhealthy', reason: 'database unreachable' };
    await page.route('**/healthz', (route) => route.fulfill({ status: 503, json }));
    await expect.poll(() => commands.last().innerText(), soon).toBe('docker compose start db');
    expect(await page.locator('#network small').textContent()).toMatch(/^[\d.]+ ms$/);

    const legend = await page.locator('#legend').innerText();
    expect(legend).toMatch(/network, +web, +api, +db\.$/);
    const color = (selector: string) =>
      page.evaluate(`getComputedStyle(document.querySelector('${selector}')).backgroundColor`);
    expect(await color('#legend .db')).toBe(await color('#requests .bar .db'));
    await page.getByRole('link', { name: 'API documentation' }).click();
    await page.waitForURL('**/api/docs');
  });

  it('says of the health what the API says, and no more', async () => {
    const { visitor, page, text } = await setUp();
    await withNginx(page);
    const answers = [
      [503, 'database busy', { api: 'up', db: 'unknown' }, 'The API says: database busy.'],
      [
        504,
        '',
        { api: 'unknown', db: 'unknown' },
        'The API did not answer in time: nginx answers 504.',
      ],
      [502, '', { api: 'down', db: 'unknown' }, 'The API is down: nginx answers 502.'],
    ] as const;
    for (const [status, reason, tiers, summary] of answers) {
      await page.route('**/healthz', (route) => route.fulfill({ status, json: { reason } }));
      await expect.poll(text('#summary'), soon).toBe(summary);
      expect(await visitor.tiers()).toEqual({ web: 'up', ...tiers });
    }
  });

  it('keeps the filter and the search over a reload, and in a link', async () => {
    const { visitor, page } = await setUp();
    const [name, other] = [unique('kept & found'), unique('other')];
    await visitor.create(name, 'on hold?');
    await visitor.create(other, 'on hold?');
    await visitor.row(other).waitFor();
    await page.getByLabel('Search').fill(name);
    await page.getByLabel('Status', { exact: true }).selectOption('on hold?');
    await expect.poll(() => visitor.titles(), soon).toEqual([name]);
    const found = `?${new URLSearchParams({ status: 'on hold?', q: name }).toString()}`;
    await expect.poll(() => new URL(page.url()).search, soon).toBe(found);
    await page.reload();
    await expect.poll(() => visitor.titles(), soon).toEqual([name]);
    expect(await page.getByLabel('Search').inputValue()).toBe(name);
    expect(await page.getByLabel('Status', { exact: true }).inputValue()).toBe('on hold?');

    const friend = await Visitor.open(browser, page.url().replace(/\/\?/, '?'));
    await friend.ready();
    expect(await friend.titles()).toEqual([name]);
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Status', { exact: true }).selectOption('all');
    await expect.poll(() => page.url(), soon).toBe(`${site.url}/`);
    expect(visitor.problems).toEqual([]);
  });

  it('says where a task is that the filter hides, and shows it', async () => {
    const { visitor, page, text } = await setUp();
    const [added, changed] = [unique('added'), unique('changed')];
    await visitor.add(changed);
    await page.getByLabel('Status', { exact: true }).selectOption('pending');
    await page.getByLabel('Search').fill(changed);
    await expect.poll(() => visitor.titles(), soon).toEqual([changed]);
    await page.getByRole('checkbox', { name: `Finished: ${changed}` }).click();
    await expect.poll(text('#note'), soon).toBe(`${changed}: completed. The filter hides it.`);
    expect(await visitor.titles()).toEqual([]);
    await page.getByLabel('New task').fill(added);
    await page.keyboard.press('Enter');
    await expect.poll(text('#note'), soon).toBe(`Added ${added}. The filter hides it.`);
    await page.getByRole('button', { name: 'Show all tasks' }).click();
    await visitor.row(added).waitFor();
    await visitor.row(changed).waitFor();
    expect(await text('#note')()).toBe('');
    expect(await page.getByRole('button', { name: 'Show all tasks' }).isVisible()).toBe(false);
    expect(visitor.problems).toEqual([]);
  });

  it('counts what it has, by status, and says when there are more', async () => {
    const { visitor, page, text } = await setUp();
    const name = unique('counted');
    const statuses = ['pending', 'pending', 'in_progress', 'completed', 'blocked'];
    for (const [n, status] of statuses.entries()) await visitor.create(`${name} ${n}`, status);
    const search = page.getByLabel('Search');
    await search.fill(`${name} `);
    const few = '5 tasks: 2 pending, 1 in progress, 1 completed, 1 blocked';
    await expect.poll(text('#count'), soon).toBe(few);
    await search.fill('something else');
    await expect.poll(text('#count'), soon).toBe('0 tasks');
    for (let n = 5; n < 55; n++) await visitor.create(`${name} ${n}`);
    await search.fill(`${name} `);
    const many = 'The newest 50 tasks (there are more): 50 pending';
    await expect.poll(text('#count'), soon).toBe(many);
    await page.getByRole('button', { name: 'Load more' }).click();
    const all = '55 tasks: 52 pending, 1 in progress, 1 completed, 1 blocked';
    await expect.poll(text('#count'), soon).toBe(all);
    expect(visitor.problems).toEqual([]);
  });

  it('deletes all that are completed, with one undo, and nothing that is archived', async () => {
    const { visitor, page } = await setUp();
    const name = unique('cleared');
    const statuses = ['completed', 'done', 'complete', 'archived', 'pending'];
    for (const status of statuses) await visitor.create(`${name} ${status}`, status);
    await page.getByLabel('Search').fill(name);
    await expect.poll(() => visitor.titles(), soon).toHaveLength(5);
    const clear = page.getByRole('button', { name: 'Delete 3 completed' });
    await clear.click();
    const kept = [`${name} pending`, `${name} archived`];
    expect(await visitor.titles()).toEqual(kept);
    expect(await page.locator('#undo p').textContent()).toBe('Deleted 3 completed tasks');
    await page.getByRole('button', { name: 'Undo' }).click();
    expect(await visitor.titles()).toHaveLength(5);
    const stored = async () => {
      const tasks = await visitor.stored(`&q=${encodeURIComponent(name)}`);
      return tasks.map(({ title }) => title);
    };
    expect(await stored()).toHaveLength(5);
    await clear.click();
    await page.getByRole('button', { name: 'Undo' }).press('Escape');
    await expect.poll(stored, soon).toEqual(kept);
    await expect.poll(() => clear.isVisible(), soon).toBe(false);

    for (let n = 0; n < 30; n++) await visitor.create(`${name} ${n}`, 'completed');
    await page.getByRole('button', { name: 'Delete 30 completed' }).click();
    expect(await visitor.titles()).toEqual(kept);
    await page.reload(); // sends the deletions that can no longer be undone
    await expect.poll(() => visitor.titles(), soon).toEqual(kept);
    await expect.poll(stored, soon).toEqual(kept);
    expect(visitor.surprises).toEqual([]);
  });

  it.each(['keyboard', 'mouse'])('ends a deletion though the %s rests on Undo', async (device) => {
    const { visitor, page } = await setUp();
    const [title, neighbour] = [unique('deleted'), unique('neighbour')];
    await visitor.add(neighbour);
    await visitor.add(title);
    await page.clock.install();
    const button = page.getByRole('button', { name: `Delete ${title}` });
    const undo = page.getByRole('button', { name: 'Undo' });
    if (device === 'keyboard') await button.press('Enter');
    else {
      await button.click();
      await undo.hover();
    }
    const isStored = async () => (await visitor.stored()).some((task) => task.title === title);
    await page.clock.runFor(20_000);
    expect([await undo.isVisible(), await isStored()]).toEqual([true, true]);
    await page.clock.runFor(5_000);
    await expect.poll(isStored, soon).toBe(false);
    expect(await undo.isVisible()).toBe(false);
    const focused = page.getByRole('button', { name: `Delete ${neighbour}` });
    const isNext = await focused.evaluate((element) => element.matches(':focus'));
    expect(isNext).toBe(device === 'keyboard');
    expect(visitor.problems).toEqual([]);
  });
});
