import type { Definition } from '../../check.ts';
import { runBeside, runningContainer } from '../../containers.ts';
import { NotPossible } from '../../errors.ts';
import { databaseOwner, reachedFrom } from '../../postgres.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'database.password',
  chapter: 'Hardening',
  points: 2,
  async run(project) {
    const api = await runningContainer(project, 'api');
    const { user, database: name } = await databaseOwner(project);
    const [address] = await reachedFrom(project, 'api');
    if (address === undefined) throw new NotPossible(say('database.password.not-reached'));
    const withoutPassword = ['-w', '-h', address, '-U', user, '-d', name, '-c', 'SELECT 1'];
    const { code, stderr } = await runBeside(project, api, 'psql', ...withoutPassword);
    if (code === 0) return [say('database.password.let-in', { user })];
    const isRefused = /password|authentication|pg_hba/i.test(stderr);
    if (!isRefused) throw new NotPossible(`psql: ${stderr}`);
    return [];
  },
};
