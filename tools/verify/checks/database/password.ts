import { type Check, snippet } from '../../check.ts';
import { runBeside, runningContainer } from '../../containers.ts';
import { NotPossible } from '../../errors.ts';
import { databaseOwner, reachedFrom, sqlRows } from '../../postgres.ts';

export const check: Check = {
  id: 'database.password',
  title: 'PostgreSQL asks for a password over the network',
  chapter: 'Hardening',
  points: 2,
  why: 'Otherwise everything that reaches the network of the database can do anything to it.',
  fix: snippet`
    environment:
      POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?}
    # and trust neither in POSTGRES_HOST_AUTH_METHOD nor in pg_hba.conf
  `,
  async run(project) {
    const api = await runningContainer(project, 'api');
    const { database: name } = await databaseOwner(project);
    const [address] = await reachedFrom(project, 'api');
    if (address === undefined) throw new NotPossible('api cannot reach db');
    const logins = (await sqlRows(project, selectLogins)).map(([login = '']) => login);
    const attempts = logins.map(async (login) => {
      const withoutPassword = ['-w', '-h', address, '-U', login, '-d', name, '-c', 'SELECT 1'];
      const { code, stderr } = await runBeside(project, api, 'psql', ...withoutPassword);
      if (code === 0) return [`${login} was let in from another container without a password`];
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
