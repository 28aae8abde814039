import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const inMemory = '/dev/shm';
const enough = 2 * 1024 ** 3; // bytes; a container often has 64 MiB

/**
 * A directory for databases that live as long as a test: in memory, where there is room. On a disk
 * that is slow to sync, PostgreSQL would make the suite wait for minutes.
 */
export function memoryDirectory(): string {
  try {
    accessSync(inMemory, constants.W_OK);
    const { bavail, bsize } = statfsSync(inMemory);
    return bavail * bsize < enough ? tmpdir() : inMemory;
  } catch {
    return tmpdir(); // not Linux
  }
}
