// The web page as `npm start` serves it. What it does is tested in test/browser.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { api } from '../api/test/helper.ts';
import { webPage } from './page.ts';

const root = join(import.meta.dirname, '..');
const page = join(root, 'nginx/html');
const html = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('the web page', () => {
  it('is at / for browsers, the API index for all others, and both vary by Accept', async () => {
    const answer = await api({ before: webPage(page) })
      .get('/')
      .set(html)
      .expect(200)
      .expect('Content-Type', /^text\/html/)
      .expect('Vary', /Accept/);
    expect(answer.text).toBe(readFileSync(join(page, 'index.html'), 'utf8'));
    await api({ before: webPage(page) })
      .get('/')
      .expect(200)
      .expect('Content-Type', /^application\/json/)
      .expect('Vary', /Accept/);
    await api({ before: webPage(page) })
      .post('/')
      .set(html)
      .expect(405);
    await api()
      .get('/')
      .set(html)
      .expect(200)
      .expect('Content-Type', /^application\/json/);
  });

  it('has the same Content-Security-Policy as from nginx', async () => {
    const directives = readFileSync(join(root, 'nginx/content-security-policy.txt'), 'utf8');
    const policy = directives.trim().split('\n').join(' ');
    await api({ before: webPage(page) })
      .get('/')
      .set(html)
      .expect('Content-Security-Policy', policy);
  });

  it('leads to nothing else in the file system', async () => {
    for (const path of [
      '/../nginx.conf',
      '/..%2fnginx.conf',
      '/%2e%2e/nginx.conf',
      '/html',
      '//etc/passwd',
    ]) {
      const { status, headers } = await api({ before: webPage(page) })
        .get(path)
        .set(html);
      expect([path, status >= 400, headers['content-type']]).toEqual([
        path,
        true,
        'application/json; charset=utf-8',
      ]);
    }
  });

  it('is less than 50 kB in all', () => {
    const sizes = readdirSync(page).map((file) => statSync(join(page, file)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(50_000);
  });
});
