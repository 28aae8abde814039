import type { Definition } from '../../check.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'health.nginx',
  chapter: 'Health checks',
  points: 2,
  async run(project) {
    const { status, text } = await request(project, '/nginx-health');
    const isOk = status === 200 && /\b(healthy|ok|up)\b/i.test(text);
    const shown = text.slice(0, 60);
    if (!isOk) return [`${status} ${shown}`];
    // A page for every path, as that of an app in the browser, says nothing about nginx.
    const other = await request(project, `/${project.mark}`).catch(() => undefined);
    const isForAll = other?.status === status && other.text === text;
    return isForAll ? [say('health.nginx.every-path', { text: shown })] : [];
  },
};
