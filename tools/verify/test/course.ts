// The course-like stack, in a directory and under a name of its own, to be checked and to be spoiled.
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../../test/lib/copy.ts';
import { Project, type ProjectOptions } from '../project.ts';
import { type Report, type Selection, verify } from '../run.ts';

/** The image that a file of this repository names: the course-like stack takes the same. */
function imageIn(file: string, pattern: RegExp): string {
  const image = pattern.exec(readFileSync(join(root, file), 'utf8'))?.[1];
  if (image === undefined) throw new Error(`no image in ${file}`);
  return image;
}

export class Course {
  readonly directory = mkdtempSync(join(tmpdir(), 'taskapp-course-'));
  readonly name = `taskapp-course-${crypto.randomUUID().slice(0, 8)}`;

  constructor() {
    cpSync(join(import.meta.dirname, 'course'), this.directory, { recursive: true });
    execFileSync('git', ['init', '--quiet'], { cwd: this.directory });
    const settings = [
      this.read('.env.example'),
      'HTTP_PORT=0\nAPI_PORT=0\nDB_PORT=0',
      `NODE_IMAGE=${process.env.NODE_IMAGE ?? imageIn('api/Dockerfile', /^ARG NODE_IMAGE=(\S+)$/m)}`,
      `NGINX_IMAGE=${process.env.NGINX_IMAGE ?? imageIn('nginx/Dockerfile', /^ARG NGINX_IMAGE=(\S+)$/m)}`,
      `POSTGRES_IMAGE=${process.env.POSTGRES_IMAGE ?? imageIn('compose.yml', /image: \$\{POSTGRES_IMAGE:-(\S+)\}/)}\n`,
    ];
    this.write('.env', settings.join('\n'));
    chmodSync(join(this.directory, '.env'), 0o600);
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  /** Replaces the one place where a text is. Throws if there is none, or another one as well. */
  edit(file: string, from: string, to: string): void {
    const parts = this.read(file).split(from);
    if (parts.length !== 2) throw new Error(`${file} has "${from}" ${parts.length - 1} times`);
    this.write(file, parts.join(to));
  }

  /** The same in the section of a service. */
  editService(service: string, from: string, to: string, file = 'compose.yml'): void {
    const text = this.read(file);
    const section = new RegExp(`^  ${service}:\\n(?:(?:    .*)?\\n)+`, 'm').exec(text)?.[0];
    if (section?.split(from).length !== 2)
      throw new Error(`${service} in ${file} does not have "${from}" once`);
    this.write(
      file,
      text.replace(section, () => section.split(from).join(to)),
    );
  }

  /** `docker compose …`; throws with its standard error. */
  async compose(...args: string[]): Promise<string> {
    return (
      await promisify(execFile)('docker', ['compose', '-p', this.name, ...args], {
        cwd: this.directory,
      })
    ).stdout;
  }

  check(selection: Selection = {}, options: Partial<ProjectOptions> = {}): Promise<Report> {
    return verify(
      new Project({ directory: this.directory, name: this.name, ...options }),
      selection,
    );
  }

  /** Removes the containers, the volumes, the images and the directory. */
  async remove(): Promise<void> {
    await this.compose(
      '--profile',
      '*',
      'down',
      '--volumes',
      '--remove-orphans',
      '--rmi',
      'local',
      '--timeout',
      '2',
    );
    rmSync(this.directory, { recursive: true });
  }
}
