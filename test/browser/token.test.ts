// The web page where the API wants a token: in production, with TLS and two replicas, or with
// `npm start`.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSiteWithToken, type Site } from './site.ts';
import { openBrowser, soon, Visitor } from './visitor.ts';

describe.skipIf(!inject('chromium'))('the web page with a token', () => {
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

  it('asks for it, refuses a wrong one and keeps it for the tab only', async () => {
    const visitor = await Visitor.open(browser, site.url);
    const { page } = visitor;
    const field = page.getByLabel('API token');
    const use = page.getByRole('button', { name: 'Use it' });
    await field.waitFor();
    expect(await page.locator('#list li').count()).toBe(0);
    expect(await page.locator('#summary').textContent()).toMatch(/up\b/); // health needs no token
    await field.fill('not the token of this server');
    await use.click();
    await expect
      .poll(() => page.locator('#token-problem').textContent(), soon)
      .toBe('The server does not accept this token.');
    await field.fill(site.token ?? '');
    await use.click();
    await visitor.row('Learn Docker Compose').waitFor();
    await visitor.add('with a token');

    await page.reload();
    await visitor.row('with a token').waitFor();
    expect(await field.isVisible()).toBe(false);
    const stored = await page.evaluate<string>(
      'JSON.stringify([localStorage, document.cookie, location.href])',
    );
    expect(stored).not.toContain(site.token);
    const otherTab = await page.context().newPage();
    await otherTab.goto(site.url);
    await otherTab.getByLabel('API token').waitFor();
    await otherTab.close();

    expect(visitor.surprises).toEqual([]);
  });

  it.skipIf(inject('notRunBecause'))('shows which replica has answered', async () => {
    const visitor = await Visitor.open(browser, site.url);
    await visitor.page.getByLabel('API token').fill(site.token ?? '');
    await visitor.page.keyboard.press('Enter');
    await visitor.row('Learn Docker Compose').waitFor();
    const containers = await site.stack?.compose('ps', '--quiet', 'api');
    const replicas = (containers ?? '')
      .trim()
      .split('\n')
      .map((id) => id.slice(0, 12));
    const seen = new Set<string>();
    const search = visitor.page.getByLabel('Search');
    for (let n = 0; n < 40 && seen.size < 2; n++) {
      await search.fill(`x${n}`);
      await expect
        .poll(() => visitor.page.locator('#requests li').first().textContent(), soon)
        .toContain(`q=x${n}`);
      const replica = /replica (\w+)/.exec(
        (await visitor.page.locator('#requests li').first().textContent()) ?? '',
      )?.[1];
      if (replica) seen.add(replica);
    }
    expect([...seen].toSorted()).toEqual(replicas.toSorted());
    expect(visitor.surprises).toEqual([]);
  });
});
