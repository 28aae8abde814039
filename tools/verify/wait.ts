import { setTimeout as sleep } from 'node:timers/promises';

/** Asks every 250 ms until the answer is true. Returns false if it never was within the limit. */
export async function eventually(
  isTrue: () => Promise<boolean>,
  limitMs: number,
): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    if (await isTrue().catch(() => false)) return true;
    await sleep(250);
  }
  return false;
}
