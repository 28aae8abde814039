import type { Definition } from '../../check.ts';
import { runBeside, runningContainer } from '../../containers.ts';
import { NotPossible } from '../../errors.ts';
import { databaseOwner, reachedFrom, sqlRows } from '../../postgres.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'database.password',
  chapter: 'Hardening',
  points: 2,
  async run(project) {
    const api = await runningContainer(project, 'api');
    const { database: name } = await databaseOwner(project);
    const [address] = await reachedFrom(project, 'api');
    if (address === undefined) throw new NotPossible(say('database.password.not-reached'));
    const logins = (await sqlRows(project, selectLogins)).map(([login = '']) => login);
    const attempts = logins.map(async (login) => {
      const withoutPassword = ['-w', '-h', address, '-U', login, '-d', name, '-c', 'SELECT 1'];
      const { code, stderr } = await runBeside(project, api, 'psql', ...withoutPassword);
      if (code === 0) return [say('database.password.let-in', { login })];
      const isRefused = /password|authentication|pg_hba|permission denied/i.test(stderr);
      if (!isRefused) throw new NotPossible(`psql: ${stderr}`);
      return [];
    });
    return (await Promise.all(attempts)).flat();
  },
};

/** Those that can do most come first: each attempt takes a container. */
const selectLogins = `
  SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY rolsuper DESC, rolname LIMIT 5`;
