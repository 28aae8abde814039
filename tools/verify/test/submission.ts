// Submissions of a class, and the command that grades them.
import { spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageSettings } from './course.ts';
import { root } from './root.ts';

/** One submission: the course's project, changed. */
export class Submitted {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    cpSync(join(import.meta.dirname, 'course'), directory, { recursive: true });
    appendFileSync(this.path('.env.example'), `${imageSettings().join('\n')}\n`);
  }

  path(file: string): string {
    return join(this.#directory, file);
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(this.path(file), text);
  }

  /** Replaces a text that is there. Throws if it is not. */
  edit(file: string, from: string, to: string): void {
    const text = this.read(file);
    if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
    this.write(
      file,
      text.replace(from, () => to),
    );
  }

  /** Puts one of the hostile files in the place of another. */
  hostile(name: string, file: string): void {
    copyFileSync(join(import.meta.dirname, 'hostile', name), this.path(file));
  }
}

export interface Graded {
  code: number;
  output: string;
}

/** Runs `npm run verify` with these arguments. After so many submissions, it is hung up on. */
export function grade(
  args: string[],
  temporary: string,
  interruptAfter = Infinity,
): Promise<Graded> {
  const main = join(root, 'tools/verify/main.ts');
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [main, ...args], { env });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
    const graded = output.match(/^\[\d+\/\d+\] /gm)?.length ?? 0;
    if (graded >= interruptAfter && !output.includes('stopping')) child.kill('SIGHUP');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const { promise, resolve } = Promise.withResolvers<Graded>();
  child.on('close', (code) => resolve({ code: code ?? -1, output }));
  return promise;
}
