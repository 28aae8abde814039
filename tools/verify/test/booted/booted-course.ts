// The course-like stack, booted. Each test may change it and its files, and leaves it running as it
// was.
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, vi } from 'vitest';
import { Course } from '../course.ts';

const mutable = [
  '.env',
  '.env.example',
  'api/server.js',
  'nginx/default.conf',
  'compose.yml',
  'compose.override.yml',
  'compose.prod.yml',
];

export class BootedCourse extends Course {
  readonly pristine = new Map<string, string>();

  /** Boots it for the tests of a describe, and writes its files as they were after each of them. */
  static forTests(): BootedCourse {
    const course = new BootedCourse();
    beforeAll(async () => {
      for (const file of mutable) course.pristine.set(file, course.read(file));
      await course.compose('build');
      await course.up();
    });
    beforeEach(() => {
      onTestFinished(() => course.writePristine());
    });
    afterAll(() => course.remove());
    return course;
  }

  writePristine(): void {
    for (const [file, text] of this.pristine) this.write(file, text);
  }

  up(): Promise<string> {
    return this.compose('up', '-d', '--wait');
  }

  /** The ids of its containers, a line each. */
  async containers(): Promise<string> {
    const ids = await this.compose('ps', '--quiet', '--no-trunc');
    return ids.split('\n').toSorted().join('\n');
  }

  /** Pipes pg_hba.conf through a command, until the test ends. */
  async editHba(command: string): Promise<void> {
    const file = '/var/lib/postgresql/data/pg_hba.conf';
    const psql = 'PGPASSWORD="$POSTGRES_PASSWORD" psql -U "$POSTGRES_USER" -d "$POSTGRES_DB"';
    const reload = `${psql} -c "SELECT pg_reload_conf()"`;
    const inDb = (script: string) => this.compose('exec', '-T', 'db', 'sh', '-c', script);
    onTestFinished(async () => {
      await inDb(`cat /tmp/hba > ${file} && ${reload}`);
    });
    // Written into the same file: another one would be root's, and unreadable for the server.
    await inDb(`cat ${file} > /tmp/hba && ${command} < /tmp/hba > ${file} && ${reload}`);
  }

  /** Starts the API again, with the code that is there now. Resolves when nginx reaches it. */
  async restartApi(): Promise<void> {
    await this.compose('restart', '--timeout', '2', 'api');
    await this.reloadNginx(); // the address of api may have changed
    const published = await this.compose('port', 'web', '80');
    const url = `http://localhost:${published.trim().split(':').at(-1)}/healthz`;
    const reachesApi = async () => {
      expect((await fetch(url)).status).not.toBeOneOf([502, 504]);
    };
    // Not expect.poll: afterAll calls this too.
    await vi.waitFor(reachesApi, { timeout: 20_000, interval: 100 });
  }
}
