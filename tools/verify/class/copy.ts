// Copies the folder of a submission: nothing is ever written to the folder itself.
import {
  chmodSync,
  copyFileSync,
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, sep } from 'node:path';
import { limits } from './limits.ts';
import { Refused } from './refused.ts';

/** True for the folder itself, and for what is in it. Both paths are absolute. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`));
}

/** Parts of a repository that name programs or other places, and that no check needs. */
const leftOut = new Set([
  'config',
  'config.worktree',
  'hooks',
  'modules',
  'worktrees',
  'commondir',
]);
const gitConfig = '[core]\n\trepositoryformatversion = 0\n\tbare = false\n';

/**
 * Copies a folder, with its symbolic links and with its repository, but not the repository's own
 * settings. What containers are to read is readable for everybody, however it was unpacked.
 * Throws Refused if the folder is too large, or has what is no file of its own.
 */
export function copyFolder(from: string, to: string, isForContainers = false): void {
  new Copy(realpathSync(from), to, isForContainers).run();
}

class Copy {
  readonly #from: string;
  readonly #to: string;
  /** Permissions that every directory and every file has at least. */
  readonly #modes: { directory: number; file: number };
  #entries = 0;
  #bytes = 0;

  constructor(from: string, to: string, isForContainers: boolean) {
    this.#from = from;
    this.#to = to;
    this.#modes = isForContainers
      ? { directory: 0o755, file: 0o644 }
      : { directory: 0o700, file: 0o600 };
  }

  run(): void {
    mkdirSync(this.#to, { recursive: true });
    this.#directory('');
  }

  #directory(path: string): void {
    const entries = readdirSync(join(this.#from, path), { withFileTypes: true });
    for (const entry of entries) {
      this.#entries += 1;
      if (this.#entries > limits.entries)
        throw new Refused([`the folder has more than ${limits.entries} files`]);
      this.#entry(join(path, entry.name), entry);
    }
  }

  #entry(path: string, entry: Dirent): void {
    if (path.includes('\u{FFFD}')) throw new Refused([`the name ${path} is not UTF-8`]);
    if (entry.name === '.git') this.#repository(path, entry);
    else if (isLeftOut(path)) return;
    else if (entry.isDirectory()) this.#makeDirectory(path);
    else if (entry.isSymbolicLink()) this.#link(path);
    else if (entry.isFile()) this.#file(path);
    else throw new Refused([`${path} is no file, directory or symbolic link`]);
  }

  /** Only the repository of the folder itself; a submodule's would bring settings of its own. */
  #repository(path: string, entry: Dirent): void {
    if (path !== '.git' || !entry.isDirectory()) return;
    this.#makeDirectory(path);
    writeFileSync(join(this.#to, path, 'config'), gitConfig);
  }

  #makeDirectory(path: string): void {
    mkdirSync(join(this.#to, path));
    this.#directory(path);
    copyMode(join(this.#from, path), join(this.#to, path), this.#modes.directory);
  }

  #file(path: string): void {
    this.#bytes += lstatSync(join(this.#from, path)).size;
    if (this.#bytes > limits.bytes)
      throw new Refused([`the folder has more than ${limits.bytes / 1024 / 1024} MiB`]);
    copyFileSync(join(this.#from, path), join(this.#to, path));
    copyMode(join(this.#from, path), join(this.#to, path), this.#modes.file);
  }

  #link(path: string): void {
    const target = readlinkSync(join(this.#from, path));
    const end = endOf(join(this.#from, path));
    if (target.startsWith('/') || end === undefined || !isInside(this.#from, end))
      throw new Refused([`the symbolic link ${path} leads out of the folder, to ${target}`]);
    symlinkSync(target, join(this.#to, path));
  }
}

/** Below .git: what is not copied. The alternates of `objects` are in another repository. */
function isLeftOut(path: string): boolean {
  const [first, second = '', ...rest] = path.split(sep);
  if (first !== '.git') return false;
  return leftOut.has(second) || [second, ...rest].join('/') === 'objects/info/alternates';
}

/** Without set-uid and the like, and so that we ourselves can always read and remove it. */
function copyMode(from: string, to: string, atLeast: number): void {
  chmodSync(to, (lstatSync(from).mode & 0o777) | atLeast);
}

function endOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
