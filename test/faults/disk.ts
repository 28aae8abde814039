// A disk for the database that a test can fill or cut the power of: an ext4 file system in a file.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { docker, psql } from '../lib/stack.ts';

const run = promisify(execFile);
const call = (command: string, ...args: string[]) =>
  execFileSync(command, args, { stdio: 'pipe' }).toString().trim();

/** Why this machine cannot have file systems in files; undefined if it can. */
export function diskFault(): string | undefined {
  try {
    if (process.getuid?.() !== 0) return 'only root can attach a loop device';
    call('losetup', '--find');
    call('mkfs.ext4', '-V');
    return undefined;
  } catch (error) {
    return String(error);
  }
}

export class Disk {
  readonly #directory = mkdtempSync(join(tmpdir(), 'taskapp-disk-'));
  readonly #file = join(this.#directory, 'disk.img');
  readonly #mounted = join(this.#directory, 'mounted');
  /** The loop device. */
  readonly device: string;

  constructor(mebibytes: number) {
    call('truncate', '--size', `${mebibytes}M`, this.#file);
    call('mkfs.ext4', '-q', '-m', '0', this.#file);
    this.device = call('losetup', '--find', '--show', this.#file);
    // The engine gives only an empty volume the owner that the image wants.
    this.#mount(() => rmdirSync(join(this.#mounted, 'lost+found')));
  }

  /** Uses all free space, until free(). */
  fill(): void {
    this.#mount(() => {
      for (const size of ['1M', '4k']) {
        try {
          const file = `of=${join(this.#mounted, 'fill')}`;
          call('dd', 'if=/dev/zero', file, `bs=${size}`, 'oflag=append', 'conv=notrunc');
        } catch (error) {
          if (!String(error).includes('No space left')) throw error;
        }
      }
    });
  }

  free(): void {
    this.#mount(() => rmSync(join(this.#mounted, 'fill')));
  }

  /** The database may have it mounted as well: one file system can be in two places. */
  #mount(action: () => void): void {
    if (!existsSync(this.#mounted)) mkdirSync(this.#mounted);
    call('mount', '-t', 'ext4', '-o', 'commit=300', this.device, this.#mounted);
    try {
      action();
    } finally {
      call('umount', this.#mounted);
    }
  }

  /** Writes what the kernel has in memory. For 30 s the kernel then writes nothing by itself. */
  sync(): void {
    this.#mount(() => call('sync', '--file-system', this.#mounted));
  }

  /**
   * What a power failure would leave now, as a disk of its own: without what the kernel has in
   * memory. Freeze all writers and call sync() shortly before, so that the file does not change
   * while it is read.
   */
  async crashImage(): Promise<CrashImage> {
    const copy = join(this.#directory, `crash-${crypto.randomUUID()}.img`);
    await run('cp', ['--sparse=always', this.#file, copy]);
    return new CrashImage(copy);
  }

  remove(): void {
    call('losetup', '--detach', this.device);
    rmSync(this.#directory, { recursive: true });
  }
}

export class CrashImage {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Starts PostgreSQL on it and returns the titles of the tasks. Throws if it does not start. */
  async titles(image: string): Promise<string[]> {
    const name = `taskapp-crash-${crypto.randomUUID().slice(0, 8)}`;
    const device = call('losetup', '--find', '--show', this.#file);
    try {
      await docker('volume', 'create', '--opt', 'type=ext4', '--opt', `device=${device}`, name);
      const data = `${name}:/var/lib/postgresql/data`;
      const options = ['--network', 'none', '--user', 'postgres', '--volume', data];
      await docker('run', '--detach', '--name', name, ...options, image);
      const deadline = Date.now() + 60_000;
      for (;;) {
        try {
          const titles = await docker('exec', name, ...psql(), '-c', 'SELECT title FROM tasks');
          return titles.split('\n').filter(Boolean);
        } catch (error) {
          const running = await docker('inspect', '--format', '{{.State.Running}}', name);
          if (running.trim() !== 'true' || Date.now() > deadline) {
            const { stdout, stderr } = await run('docker', ['logs', '--tail', '20', name]);
            throw new Error(`PostgreSQL does not start on the crash image:\n${stdout}${stderr}`, {
              cause: error,
            });
          }
          await sleep(200);
        }
      }
    } finally {
      await docker('rm', '--force', name).catch(() => undefined);
      await docker('volume', 'rm', '--force', name).catch(() => undefined);
      call('losetup', '--detach', device);
    }
  }
}
