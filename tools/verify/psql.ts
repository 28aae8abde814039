// A psql that stays open: to start one for each statement would take most of the time of a run.
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { killGroup, lastLine, maxMiB } from './command.ts';
import { NotPossible } from './errors.ts';
import { say } from './texts.ts';

/** psql has ended, but not because a statement failed: a new one may be able to connect. */
export class NoConnection extends NotPossible {}

const limitMs = 20_000; // for one statement
const failedStatement = 3; // psql's exit code for it, with ON_ERROR_STOP

export class Psql {
  readonly #child: ChildProcess;
  /** Its exit code. */
  readonly #ended: Promise<number>;
  #last: Promise<unknown> = Promise.resolve();
  #stderr = '';
  #hasEnded = false;
  #onText: (text: string) => void = () => undefined;

  /** Starts a command that runs psql, which must end at the first error. */
  constructor([command = '', ...args]: string[], options: SpawnOptions, onEnd: () => void) {
    // In its own process group: Ctrl-C must not end it, as rows may have to be put back.
    this.#child = spawn(command, args, { ...options, detached: true });
    const { stdin, stdout, stderr } = this.#child;
    stdin?.on('error', () => undefined); // it has ended: see `close`
    stdout?.setEncoding('utf8').on('data', (text: string) => this.#onText(text));
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-10_000); // there may be many warnings
    });
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#ended = promise;
    this.#child.on('error', () => undefined); // it is not installed: see `close`
    this.#child.on('close', (code) => {
      this.#hasEnded = true;
      onEnd();
      resolve(code ?? 1);
    });
  }

  /**
   * What a statement prints. One statement runs after another.
   * Throws NotPossible if it fails, which ends psql, and NoConnection if psql has ended otherwise.
   */
  run(statement: string): Promise<string> {
    const printed = this.#last.then(() => this.#send(statement));
    this.#last = printed.catch(() => undefined);
    return printed;
  }

  /** Ends it after the statements that were sent. */
  close(): void {
    this.#child.stdin?.end();
  }

  async #send(statement: string): Promise<string> {
    if (this.#hasEnded) throw new NoConnection(`psql: ${lastLine(this.#stderr)}`);
    this.#stderr = '';
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const mark = `${crypto.randomUUID()}\n`; // printed after what the statement prints
    const pieces: string[] = [];
    let size = 0;
    let end = '';
    const kill = (reason: string) => {
      if (this.#child.pid !== undefined) killGroup(this.#child.pid);
      reject(new NotPossible(reason));
    };
    this.#onText = (text) => {
      pieces.push(text);
      size += text.length;
      end = (end + text).slice(-mark.length);
      if (end === mark) resolve(pieces.join('').slice(0, -mark.length));
      else if (size > maxMiB * 2 ** 20)
        kill(say('shared.printed-too-much', { command: 'psql', size: maxMiB }));
    };
    const seconds = limitMs / 1_000;
    const timer = setTimeout(() => {
      kill(say('shared.not-ended-in-time', { command: 'psql', seconds }));
    }, limitMs);
    const failed = this.#ended.then((code) => {
      const Reason = code === failedStatement ? NotPossible : NoConnection;
      throw new Reason(`psql: ${lastLine(this.#stderr)}`);
    });
    this.#child.stdin?.write(`${statement}\n;\nSELECT '${mark.trim()}';\n`);
    return Promise.race([promise, failed]).finally(() => clearTimeout(timer));
  }
}
