import type { Definition } from '../../check.ts';
import { runBeside, runningContainer } from '../../containers.ts';
import { NotPossible } from '../../errors.ts';
import { databaseOwner, reachedFrom, sqlRows } from '../../postgres.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'database.password',
  chapter: 'Hardening',
  points: 2,
  async *run(project) {
    const api = await runningContainer(project, 'api');
    const { database: name } = await databaseOwner(project);
    const [address] = await reachedFrom(project, 'api');
    if (address === undefined) throw new NotPossible(say('database.password.not-reached'));
    const logins = (await sqlRows(project, selectLogins)).map(([login = '']) => login);
    const server = ['-h', address.host, '-p', address.port, '-d', name];
    let unclear = '';
    for (const login of logins) {
      const query = ['-w', ...server, '-U', login, '-c', 'SELECT 1'];
      const { code, stderr } = await runBeside(project, api, 'psql', ...query);
      // Who may connect to this database is asked after the password.
      if (code === 0 || /permission denied for database/.test(stderr))
        yield say('database.password.let-in', { login });
      else if (!/password|authentication|pg_hba/i.test(stderr)) unclear = stderr;
    }
    if (unclear !== '') throw new NotPossible(`psql: ${unclear}`);
  },
};

/** Those that can do most come first: each attempt takes a container. */
const selectLogins = `
  SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY rolsuper DESC, rolname LIMIT 5`;
