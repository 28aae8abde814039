// Looks for texts in all that an image has: every file of every layer, its settings, its history.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { NotPossible } from './errors.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';

const limitMs = 120_000; // for one image
const tickMs = 100;
const block = 512;
const overlap = 4_096; // longer than what stands around a text

/** Reads a stream piece by piece. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  /** How much of the current part nobody has read. */
  #left = 0;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** At least one and at most `most` bytes; nothing at the end. */
  async some(most: number): Promise<Buffer> {
    if (this.#rest.length === 0) {
      const { value, done = false } = await this.#chunks.next();
      this.#rest = done ? Buffer.alloc(0) : (value as Buffer);
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Yields the next part, of this size. */
  async *next(size: number): AsyncGenerator<Buffer> {
    this.#left = size;
    while (this.#left > 0) {
      const piece = await this.some(this.#left);
      if (piece.length === 0) return;
      this.#left -= piece.length;
      yield piece;
    }
  }

  /** Goes to the end of the current part, even if its reader has given up. */
  async skip(): Promise<void> {
    await whole(this.next(this.#left));
  }
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** The contents of the files in a tar archive, one after another. */
async function* filesIn(archive: AsyncIterable<Buffer>): AsyncGenerator<AsyncIterable<Buffer>> {
  const reader = new Reader(archive);
  for (;;) {
    const header = await whole(reader.next(block));
    if (header.length < block || header[0] === 0) break;
    const size = Number.parseInt(header.toString('latin1', 124, 136), 8) || 0;
    yield reader.next(size);
    await reader.skip();
    await whole(reader.next((block - (size % block)) % block));
  }
  await whole(reader.next(Infinity)); // a stream that is not read to its end never closes
}

/** A layer may be compressed. */
async function* unpacked(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new Reader(content);
  const first = await reader.some(block);
  async function* all() {
    yield first;
    yield* reader.next(Infinity);
  }
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  if (!isGzip) yield* all();
  else yield* Readable.from(all()).pipe(createGunzip()) as AsyncIterable<Buffer>;
}

/** What to look for in an image. */
export interface Wanted {
  value: string;
  /** Whether a part of the image has it, as a text of bytes. */
  isIn(text: string): boolean;
}

/** What is found anywhere in an image. */
export async function findInImage<T extends Wanted>(
  project: Project,
  image: string,
  wanted: T[],
): Promise<Set<T>> {
  const found = new Set<T>();
  const longest = Math.max(0, ...wanted.map(({ value }) => value.length));
  const options = { cwd: project.directory, env: project.env, stdio: 'pipe' } as const;
  const save = spawn('docker', ['save', image], options);
  const ended = once(save, 'close');
  const timer = setTimeout(() => save.kill(), limitMs);
  // How long the engine takes for it is not up to the stack.
  const clock = setInterval(() => (project.waitedMs += tickMs), tickMs);
  try {
    for await (const content of filesIn(save.stdout as AsyncIterable<Buffer>)) {
      let before = '';
      for await (const piece of unpacked(content)) {
        const text = before + piece.toString('latin1');
        for (const one of wanted) if (!found.has(one) && one.isIn(text)) found.add(one);
        before = text.slice(-overlap - longest);
      }
      if (found.size === wanted.length) return found;
    }
    const [code] = (await ended) as [number];
    if (code !== 0) throw new NotPossible(say('shared.save-failed', { image }));
  } finally {
    clearInterval(clock);
    clearTimeout(timer);
    save.kill();
  }
  return found;
}
