// The page when answers are late, missing or errors: it loses nothing that was typed, stores
// nothing twice and says what it knows. The API is real; the network is faulty.
import type { Browser, Request, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSite, type Site } from './site.ts';
import { openBrowser, soon, unique, Visitor } from './visitor.ts';

const promise = ' This tab keeps trying, and adds it only once.';

/** In the page: changes the time of the only draft. */
const makeTwoDaysOlder = `
  const [draft] = JSON.parse(sessionStorage.getItem('drafts'));
  draft.since -= 48 * 3_600_000;
  sessionStorage.setItem('drafts', JSON.stringify([draft]));`;

describe.skipIf(!inject('chromium'))('the web page, answered badly', () => {
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

  async function setUp() {
    const visitor = await Visitor.open(browser, site.url);
    await visitor.ready();
    const { page } = visitor;
    const type = async (title: string) => {
      await page.getByLabel('New task').fill(title);
      await page.keyboard.press('Enter');
    };
    const draft = (title: string) => page.locator('#drafts li').filter({ hasText: title });
    const text = (selector: string) => () => page.locator(selector).textContent();
    const drafts = () => page.locator('#drafts li').count();
    const times = async (title: string) => {
      const stored = await visitor.stored();
      return stored.filter((task) => task.title === title).length;
    };
    return { visitor, page, type, draft, drafts, text, times };
  }

  /** Handles each POST with `how`; other requests pass. */
  const onPost = (visitor: Visitor, how: (title: string, route: Route) => Promise<unknown>) =>
    visitor.page.route('**/api/tasks', (route) => {
      const { title } = titleOf(route.request());
      return title === undefined ? route.fallback() : how(title, route);
    });
  const titleOf = (request: Request): { title?: string } =>
    request.method() === 'POST' ? (request.postDataJSON() as { title: string }) : {};
  const keysOf = (visitor: Visitor, title: string) => {
    const posts = visitor.requests.filter((request) => titleOf(request).title === title);
    return Promise.all(posts.map((request) => request.headerValue('idempotency-key')));
  };

  it('keeps every task that has no answer yet, and forgets one only with its own', async () => {
    const { visitor, page, type, draft, drafts, text, times } = await setUp();
    const [a, b, c] = [unique('first'), unique('second'), unique('third')];
    const fate = Promise.withResolvers<void>();
    let isLost = true;
    await onPost(visitor, async (title, route) => {
      if (title !== a || !isLost) return route.continue();
      await fate.promise;
      return route.abort();
    });
    await type(a);
    await expect.poll(text('#drafts small'), soon).toBe('Adding …');
    await type(b);
    await visitor.row(b).waitFor(); // answered; the first one is still pending
    expect(await draft(a).count()).toBe(1);
    fate.resolve();
    const problem = draft(a).locator('.problem');
    const says = `It may or may not have been added: no answer came.${promise}`;
    await expect.poll(() => problem.textContent(), soon).toBe(says);
    await type(c);
    await visitor.row(c).waitFor();
    expect(await draft(a).count()).toBe(1);
    isLost = false;
    await visitor.row(a).waitFor();
    expect(await drafts()).toBe(0);
    expect([await times(a), await times(b), await times(c)]).toEqual([1, 1, 1]);
    expect(new Set(await keysOf(visitor, a)).size).toBe(1);
    expect(await page.getByLabel('New task').inputValue()).toBe('');
    expect(visitor.surprises).toEqual([]);
  });

  it('sends tasks again after a reload, under their keys, and each is stored once', async () => {
    const { visitor, page, type, drafts, times } = await setUp();
    const titles = [unique('stored, unknown'), unique('not stored')];
    let isCut = true;
    await onPost(visitor, async (title, route) => {
      if (!isCut) return route.continue();
      if (title === titles[0]) await route.fetch();
      return route.abort();
    });
    for (const title of titles) await type(title);
    await expect.poll(drafts, soon).toBe(2);
    await page.reload();
    await expect.poll(drafts, soon).toBe(2);
    isCut = false;
    for (const title of titles) {
      await visitor.row(title).waitFor();
      await expect.poll(drafts, soon).toBe(0);
      expect(await times(title)).toBe(1);
      const keys = await keysOf(visitor, title);
      expect(keys.length).toBeGreaterThan(1);
      expect(new Set(keys).size).toBe(1);
    }
    await page.reload();
    await visitor.ready();
    expect(await drafts()).toBe(0);
    expect(visitor.surprises).toEqual([]);
  });

  const cannotTell = [
    [401, 'Not added: refused.'],
    [409, 'It may or may not have been added: refused.'],
    [422, 'It may or may not have been added: refused.'],
    [429, 'Not added: refused.'],
    [500, 'It may or may not have been added: refused.'],
    [502, 'Not added: refused.'],
    [503, 'Not added: refused.'],
    [504, 'It may or may not have been added: refused.'],
  ] as const;
  it.each(cannotTell)('sends a task again that is answered with %i', async (status, says) => {
    const { visitor, page, type, draft, drafts, times } = await setUp();
    const title = unique(`answered with ${status}`);
    let isAway = true;
    await onPost(visitor, async (_title, route) => {
      return isAway ? route.fulfill({ status, json: { error: 'refused' } }) : route.continue();
    });
    await type(title);
    const problem = draft(title).locator('.problem');
    await expect.poll(() => problem.textContent(), soon).toBe(says + promise);
    isAway = false;
    if (status === 401) {
      await page.getByLabel('API token').fill('any, as none is asked for');
      await page.keyboard.press('Enter');
    }
    await visitor.row(title).waitFor();
    await expect.poll(drafts, soon).toBe(0);
    expect(await times(title)).toBe(1);
    expect(new Set(await keysOf(visitor, title)).size).toBe(1);
    expect(visitor.surprises).toEqual([]);
  });

  it('forgets a task that was added, and deleted before its answer came', async () => {
    const { visitor, type, drafts, text, times } = await setUp();
    const title = unique('gone');
    await onPost(visitor, async (_title, route) => {
      return route.fulfill({ status: 410, json: { error: 'The task was deleted' } });
    });
    await type(title);
    await expect.poll(text('#note'), soon).toBe(`${title} was added, and has been deleted since.`);
    expect([await drafts(), await times(title)]).toEqual([0, 0]);
    expect(await keysOf(visitor, title)).toHaveLength(1);
  });

  it('offers a refused task for editing, and what is typed meanwhile stays', async () => {
    const { visitor, page, type, draft, drafts, text, times } = await setUp();
    const fate = Promise.withResolvers<void>();
    const [long, next] = [unique('x'.repeat(260)), unique('typed meanwhile')];
    await onPost(visitor, async (title, route) => {
      if (title === long) await fate.promise;
      return route.continue();
    });
    await type(long);
    const field = page.getByLabel('New task');
    await field.fill(next);
    fate.resolve();
    const says = "Not added: 'title' must be at most 255 characters long.";
    await expect.poll(() => draft(long).locator('.problem').textContent(), soon).toBe(says);
    expect(await field.inputValue()).toBe(next);

    await page.reload(); // a refused task is neither sent again nor lost
    await draft(long).waitFor();
    await field.fill(next);
    await draft(long)
      .getByRole('button', { name: `Edit ${long}` })
      .click();
    expect(await field.inputValue()).toBe(long);
    expect(await text('#title-problem')()).toBe(says);
    expect(await draft(next).locator('.problem').textContent()).toBe('Not sent yet.');
    const short = unique('shorter');
    await type(short);
    await visitor.row(short).waitFor();
    await draft(next)
      .getByRole('button', { name: `Edit ${next}` })
      .click();
    await page.keyboard.press('Enter');
    await visitor.row(next).waitFor();
    expect([await drafts(), await times(short), await times(next)]).toEqual([0, 1, 1]);
    expect(await keysOf(visitor, long)).toHaveLength(1);
    expect(visitor.surprises).toEqual([]);
  });

  it('stops sending a task that is discarded, or that the API may have forgotten', async () => {
    const { visitor, page, type, draft, drafts, times } = await setUp();
    const title = unique('discarded');
    await onPost(visitor, async (_title, route) => route.abort());
    await type(title);
    await draft(title)
      .getByRole('button', { name: `Discard ${title}` })
      .click();
    expect(await drafts()).toBe(0);
    const old = unique('of the day before yesterday');
    await type(old);
    await draft(old)
      .getByRole('button', { name: `Discard ${old}` })
      .waitFor();
    await page.unroute('**/api/tasks');
    await page.evaluate(makeTwoDaysOlder);
    await page.reload();
    const problem = draft(old).locator('.problem');
    await expect
      .poll(() => problem.textContent(), soon)
      .toMatch(/^Nobody knows whether it was added/);
    expect([await times(title), await times(old)]).toEqual([0, 0]);
    expect(visitor.surprises).toEqual([]);
  });

  it('shows a change while the answer is late, and sends the next one after it', async () => {
    const { visitor, page } = await setUp();
    const title = unique('changed slowly');
    await visitor.add(title);
    const fate = Promise.withResolvers<void>();
    await page.route('**/api/tasks/*', async (route) => {
      await fate.promise;
      return route.continue();
    });
    const box = page.getByRole('checkbox', { name: `Finished: ${title}` });
    await box.check();
    const other = unique('of somebody else');
    await visitor.create(other);
    await visitor.row(other).waitFor();
    expect(await box.isChecked()).toBe(true); // although the list was read again
    expect(await visitor.row(title).getAttribute('aria-busy')).toBe('true');
    await box.uncheck();
    const patches = () => visitor.requests.filter((request) => request.method() === 'PATCH').length;
    expect(patches()).toBe(1);
    fate.resolve();
    await expect.poll(patches, soon).toBe(2);
    await expect.poll(() => visitor.row(title).getAttribute('aria-busy'), soon).toBe('false');
    expect(await box.isChecked()).toBe(false);
    const stored = await visitor.stored();
    expect(stored.find((task) => task.title === title)?.status).toBe('pending');
    expect(visitor.problems).toEqual([]);
  });

  it('shows the error of an edit in its row, and no longer after Escape', async () => {
    const { visitor, page } = await setUp();
    for (let n = 0; n < 30; n++) await visitor.create(unique(`row ${n}`));
    await visitor.page.reload();
    await visitor.ready();
    const row = page.locator('#list li').nth(25);
    await row.getByRole('button', { name: /^Edit/ }).click();
    await row.getByRole('textbox').fill('x'.repeat(256));
    await page.keyboard.press('Enter');
    const problem = row.locator('.problem');
    const says = "Not changed: 'title' must be at most 255 characters long.";
    await expect.poll(() => problem.textContent(), soon).toBe(says);
    const [above, below] = [await row.boundingBox(), await problem.boundingBox()];
    expect(below?.y).toBeLessThan((above?.y ?? 0) + (above?.height ?? 0));
    expect(await row.getByRole('textbox').inputValue()).toHaveLength(256);
    await row.getByRole('textbox').press('Escape');
    expect(await problem.isVisible()).toBe(false);
    expect(await page.locator('#problem').textContent()).toBe('');
    expect(visitor.surprises).toEqual([]);
  });

  it('closes an edit only for the text that was stored', async () => {
    const { visitor, page } = await setUp();
    const [title, first, second] = [unique('edited'), unique('one'), unique('two')];
    await visitor.add(title);
    const fate = Promise.withResolvers<void>();
    await page.route('**/api/tasks/*', async (route) => {
      await fate.promise;
      return route.continue();
    });
    await page.getByRole('button', { name: `Edit ${title}` }).click();
    const field = page.locator('#list form input:visible');
    await field.fill(first);
    await page.keyboard.press('Enter');
    await field.fill(second);
    fate.resolve();
    await expect.poll(() => page.locator('#said').textContent(), soon).toBe(`${first}: pending`);
    expect(await field.inputValue()).toBe(second);
    await field.press('Enter');
    await visitor.row(second).waitFor();
    expect(visitor.problems).toEqual([]);
  });

  it('says that a task is gone when somebody else has deleted it', async () => {
    const { visitor, page, text } = await setUp();
    const title = unique('deleted by another');
    await visitor.add(title);
    const task = (await visitor.stored()).find((other) => other.title === title);
    await page.route('**/api/tasks/*', async (route) => {
      await page.request.delete(`${site.url}/api/tasks/${task?.id}`);
      return route.continue();
    });
    await page.getByLabel(`Status of ${title}`).selectOption('archived');
    await expect.poll(text('#problem'), soon).toBe(`${title} was deleted by somebody else.`);
    await visitor.row(title).waitFor({ state: 'detached' });
  });

  it('says what is known of a task whose deletion has no answer', async () => {
    const { visitor, page, text } = await setUp();
    const titles = [unique('perhaps deleted'), unique('not deleted')];
    for (const title of titles) await visitor.add(title);
    const answers = [{ status: 504 }, { status: 502 }].values();
    await page.route('**/api/tasks/*', (route) => {
      return route.fulfill({ ...answers.next().value, json: { error: 'No' } });
    });
    for (const title of titles) await page.getByRole('button', { name: `Delete ${title}` }).click();
    const [perhaps, not] = titles.map((title) => visitor.row(title).locator('.problem'));
    await expect
      .poll(() => perhaps?.textContent(), soon)
      .toBe('It may or may not have been deleted: No.');
    await page.getByRole('button', { name: 'Undo' }).press('Escape');
    await expect.poll(() => not?.textContent(), soon).toBe('Not deleted: No.');
    expect(await text('#problem')()).toBe(`${titles[1]}. Not deleted: No.`);
    expect(visitor.surprises).toEqual([]);
  });

  it('loads more whatever is changed meanwhile, and says by the button when it fails', async () => {
    const { visitor, page } = await setUp();
    const name = unique('page');
    for (let n = 0; n < 60; n++) await visitor.create(`${name} ${n}`);
    await page.getByLabel('Search').fill(name);
    // The page waits for more letters; until then it shows 50 other tasks.
    const found = async () => (await visitor.titles()).filter((title) => title.startsWith(name));
    await expect.poll(async () => (await found()).length, soon).toBe(50);
    await page.route('**/api/tasks?*cursor=*', (route) => route.abort(), { times: 1 });
    await page.getByRole('button', { name: 'Load more' }).click();
    const problem = page.locator('#more-problem');
    await expect.poll(() => problem.textContent(), soon).toBe('Not loaded: no answer came.');

    const fate = Promise.withResolvers<void>();
    await page.route('**/api/tasks?*cursor=*', async (route) => {
      await fate.promise;
      return route.continue();
    });
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByRole('button', { name: 'Loading …' }).waitFor();
    await page.getByRole('checkbox', { name: `Finished: ${name} 59` }).check();
    await expect
      .poll(() => page.locator('#said').textContent(), soon)
      .toBe(`${name} 59: completed`);
    fate.resolve();
    await expect.poll(() => page.locator('#list li').count(), soon).toBe(60);
    expect(await problem.textContent()).toBe('');
    expect(visitor.surprises).toEqual([]);
  });

  it('does not show the tasks of the filter before when the new one has no answer', async () => {
    const { visitor, page, text } = await setUp();
    let isAway = true;
    await page.route('**/api/tasks?*q=*', (route) => (isAway ? route.abort() : route.continue()));
    await page.getByLabel('Search').fill('Docker');
    await expect.poll(text('#stale'), soon).toBe('The tasks cannot be read: no answer came.');
    expect(await visitor.titles()).toEqual([]);
    expect(await text('#count')()).toBe('Reading the tasks …');
    isAway = false;
    await visitor.row('Learn Docker Compose').waitFor();
    expect(await text('#stale')()).toBe('');
  });

  it('lists a request that has no answer', async () => {
    const { visitor, page, type } = await setUp();
    const title = unique('no answer');
    await onPost(visitor, async (_title, route) => route.abort());
    await type(title);
    const entry = page.locator('#requests li').filter({ hasText: 'POST /api/tasks' });
    await expect.poll(() => entry.first().textContent(), soon).toMatch(/no answer in [\d.]+ ms/);
    expect(visitor.surprises).toEqual([]);
  });
});
