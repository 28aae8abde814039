// The course-like stack, in a directory and under a name of its own, for tests to change.
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './root.ts';
import { Project, type ProjectOptions } from '../project.ts';
import { type Report, type Selection, verify } from '../run.ts';

/** An image variable of this repository: of the environment, else the default in the file. */
function imageSetting(name: string, file: string, pattern: RegExp): string {
  const fromEnvironment = process.env[name];
  if (fromEnvironment !== undefined) return `${name}=${fromEnvironment}`;
  const image = pattern.exec(readFileSync(join(root, file), 'utf8'))?.[1];
  if (image === undefined) throw new Error(`no image in ${file}`);
  return `${name}=${image}`;
}

/** The lines of .env that make the course's project use the images of this repository. */
export const imageSettings = (): string[] => [
  imageSetting('NODE_IMAGE', 'api/Dockerfile', /^ARG NODE_IMAGE=(\S+)$/m),
  imageSetting('NODE_IMAGE', 'api/Dockerfile', /^ARG NODE_IMAGE=(\S+)$/m).replace(
    'NODE_IMAGE',
    'DEBIAN_IMAGE', // Node's image is Debian
  ),
  imageSetting('NGINX_IMAGE', 'nginx/Dockerfile', /^ARG NGINX_IMAGE=(\S+)$/m),
  imageSetting('POSTGRES_IMAGE', 'compose.yml', /image: \$\{POSTGRES_IMAGE:-(\S+)\}/),
];

export class Course {
  readonly name = `taskapp-course-${crypto.randomUUID().slice(0, 8)}`;
  readonly #variant: 'flask' | 'node' | 'go' | undefined;
  #directory: string | undefined;

  /**
   * With `flask`, the API is the one that the labs write, in Python. `node` and `go` are projects
   * of their own, of students who did it their way.
   */
  constructor(variant?: 'flask' | 'node' | 'go') {
    this.#variant = variant;
  }

  /** Made when it is first needed: the body of a describe runs even if its tests do not. */
  get directory(): string {
    if (this.#directory === undefined) {
      this.#directory = mkdtempSync(join(tmpdir(), 'taskapp-course-'));
      this.#fill();
    }
    return this.#directory;
  }

  #fill(): void {
    const variant = this.#variant;
    if (variant === undefined || variant === 'flask') this.#add('course');
    if (variant === 'flask') rmSync(join(this.directory, 'api'), { recursive: true });
    if (variant !== undefined) this.#add(variant);
    execFileSync('git', ['init', '--quiet'], { cwd: this.directory });
    this.write('.env', `${this.read('.env.example')}\n${this.#settings().join('\n')}\n`);
    chmodSync(join(this.directory, '.env'), 0o600);
  }

  #add(fixture: string): void {
    cpSync(join(import.meta.dirname, fixture), this.directory, { recursive: true });
  }

  /** Free ports, and images of this repository: those settings that the example names. */
  #settings(): string[] {
    const example = this.read('.env.example');
    const all = ['HTTP_PORT=0', 'API_PORT=0', 'DB_PORT=0', ...imageSettings()];
    return all.filter((line) => example.includes(`#${line.slice(0, line.indexOf('=') + 1)}`));
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  /** Replaces a text that is there exactly once. Throws if it is not. */
  edit(file: string, from: string, to: string): void {
    const parts = this.read(file).split(from);
    if (parts.length !== 2) throw new Error(`${file} has "${from}" ${parts.length - 1} times`);
    this.write(file, parts.join(to));
  }

  /** The same within the section of a service. */
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
    const command = ['compose', '-p', this.name, ...args];
    const { stdout } = await promisify(execFile)('docker', command, { cwd: this.directory });
    return stdout;
  }

  /** Runs SQL as the owner: a line per row, `|` between columns. */
  sql(statement: string): Promise<string> {
    const user = '"${POSTGRES_USER:-$(cat "$POSTGRES_USER_FILE")}"';
    const psql = `psql -U ${user} -d "$POSTGRES_DB" -Atqc "$0"`;
    return this.compose('exec', '-T', 'db', 'sh', '-c', psql, statement);
  }

  /** Every task, a line each. */
  tasks(): Promise<string> {
    return this.sql('TABLE tasks ORDER BY id');
  }

  /** Makes nginx read its configuration again. */
  async reloadNginx(): Promise<void> {
    await this.compose('exec', '-T', 'web', 'nginx', '-s', 'reload');
  }

  check(selection: Selection = {}, options: Partial<ProjectOptions> = {}): Promise<Report> {
    const project = new Project({ directory: this.directory, name: this.name, ...options });
    return verify(project, selection);
  }

  /** Removes the containers, the volumes, the images and the directory. */
  async remove(): Promise<void> {
    const everything = ['--volumes', '--remove-orphans', '--rmi', 'local'];
    await this.compose('--profile', '*', 'down', ...everything, '--timeout', '2');
    rmSync(this.directory, { recursive: true });
  }
}
