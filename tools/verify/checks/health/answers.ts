import { type Check, snippet } from '../../check.ts';
import { runningContainer } from '../../containers.ts';
import { faultsOfAttempt } from '../../errors.ts';
import { mustAnswer } from '../../web.ts';

export const check: Check = {
  id: 'health.answers',
  title: 'web answers where its port is published',
  chapter: 'Composing the app',
  points: 2,
  why: 'It is the only way in: if web does not answer, nobody reaches what is behind it.',
  fix: snippet`
    docker compose ps web    # the published port
    # another address, or a certificate of your own:
    npm run verify -- --url https://localhost --cacert secrets/tls.crt
  `,
  async run(project) {
    if (project.options.url === undefined) await runningContainer(project, 'web');
    return faultsOfAttempt(mustAnswer(project));
  },
};
