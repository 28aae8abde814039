import { type Check, snippet } from '../../check.ts';
import { request } from '../../web.ts';

export const check: Check = {
  id: 'health.nginx',
  title: 'GET /nginx-health returns 200 and says healthy',
  chapter: 'Health checks',
  points: 2,
  why: 'The health check of web calls it, and so does a load balancer in front.',
  fix: snippet`
    location = /nginx-health {
        default_type text/plain;
        return 200 "healthy\\n";
    }
  `,
  async run(project) {
    const { status, text } = await request(project, '/nginx-health');
    const isOk = status === 200 && /\b(healthy|ok|up)\b/i.test(text);
    if (!isOk) return [`${status} ${text.slice(0, 60)}`];
    // A page for every path, as that of an app in the browser, says nothing about nginx.
    const other = await request(project, `/${project.mark}`).catch(() => undefined);
    const isForAll = other?.status === status && other.text === text;
    return isForAll ? [`every path is answered with ${text.slice(0, 60)}`] : [];
  },
};
