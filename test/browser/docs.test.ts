// The API's documentation in the browser, where the API asks for a token.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSiteWithToken, type Site } from './site.ts';
import { openBrowser, soon, Visitor } from './visitor.ts';

describe.skipIf(!inject('chromium'))('GET /api/docs', () => {
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    site = await openSiteWithToken();
    browser = await openBrowser(site);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  async function open(): Promise<Visitor> {
    const visitor = await Visitor.open(browser, site.url);
    // Chromium drops a script that loads while a container starts (ERR_NETWORK_CHANGED).
    const first = visitor.page.locator('.opblock').first();
    for (let tries = 3; tries > 0 && !(await first.isVisible()); tries--) {
      await visitor.page.goto(`${site.url}/api/docs`);
      await first.waitFor({ timeout: 10_000 }).catch(() => undefined);
    }
    await first.waitFor({ timeout: 1_000 });
    return visitor;
  }

  it('shows every operation, loads nothing from elsewhere and keeps to its policy', async () => {
    const visitor = await open();
    const answer = await visitor.page.request.get(`${site.url}/api/openapi.json`);
    const { paths } = (await answer.json()) as { paths: Record<string, Record<string, unknown>> };
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const shown = await visitor.page
      .locator('.opblock-summary')
      .evaluateAll((rows) =>
        rows.map((row) =>
          ['.opblock-summary-method', '.opblock-summary-path']
            .map((part) => row.querySelector(part)?.textContent?.replaceAll('\u200B', ''))
            .join(' '),
        ),
      );
    expect(shown.toSorted()).toEqual(documented.toSorted());
    expect(visitor.surprises).toEqual([]);
  });

  it('sends what is tried with the token that was given, and shows the answer', async () => {
    const visitor = await open();
    const { page } = visitor;
    const create = page.locator('.opblock-post');
    const status = create.locator('.live-responses-table tbody .response-col_status');
    await create.locator('.opblock-summary-control').click();
    await create.getByRole('button', { name: 'Try it out' }).click();
    const title = `from the documentation ${crypto.randomUUID()}`;
    await create.locator('textarea').fill(JSON.stringify({ title }));
    await create.getByRole('button', { name: 'Execute' }).click();
    await expect.poll(() => status.first().textContent(), soon).toContain('401');

    await page.locator('.auth-wrapper .authorize').click();
    await page.locator('.auth-container input').fill(site.token ?? '');
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.btn-done').click();
    await create.getByRole('button', { name: 'Execute' }).click();
    await expect.poll(() => status.first().textContent(), soon).toContain('201');

    const headers = { Authorization: `Bearer ${site.token}` };
    const found = await page.request.get(`${site.url}/api/tasks?q=${encodeURIComponent(title)}`, {
      headers,
    });
    expect(await found.json()).toMatchObject({ tasks: [{ title }] });
    expect(visitor.surprises).toEqual([]);
  });
});
