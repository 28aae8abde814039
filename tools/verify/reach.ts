// Who can open a connection to the database.
import { NotPossible } from './check.ts';
import type { Container } from './model.ts';
import type { Project } from './project.ts';

const addresses = ({ NetworkSettings }: Container): string[] =>
  Object.values(NetworkSettings.Networks).flatMap(({ IPAddress, GlobalIPv6Address = '' }) =>
    [IPAddress, GlobalIPv6Address].filter(Boolean),
  );

/** The addresses of db, on all its networks, at which PostgreSQL takes a connection that comes from another container. */
export function reachedFrom(project: Project, from: 'web' | 'api'): Promise<string[]> {
  return project.once(`db from ${from}`, async () => {
    const [db, other] = await Promise.all([project.container('db'), project.container(from)]);
    const asked = addresses(db).map(async (address) => {
      const { code, stderr } = await project.beside(other, 'pg_isready', '-h', address, '-t', '2');
      // 0 and 1 are answers of a server, 2 is none.
      if (code > 2) throw new NotPossible(`pg_isready of the image of db: ${stderr}`);
      return code < 2 ? [address] : [];
    });
    return (await Promise.all(asked)).flat();
  });
}
