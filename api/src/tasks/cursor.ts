import { z } from 'zod';

/** The last row of a page; the next page starts after it. Clients get the cursor as base64url. */
export interface Cursor {
  created_at: string;
  id: number;
}

const CursorParts = z.tuple([
  z.iso
    .datetime({ offset: true, precision: 6 })
    .endsWith('+00:00')
    .refine((time) => !time.startsWith('0000')), // PostgreSQL has no year 0
  z.int32().min(1),
]);

export function encodeCursor({ created_at, id }: Cursor): string {
  return Buffer.from(JSON.stringify([created_at, id])).toString('base64url');
}

/** Undefined: the cursor is not one of ours. */
export function decodeCursor(cursor: string): Cursor | undefined {
  try {
    const [created_at, id] = CursorParts.parse(
      JSON.parse(Buffer.from(cursor, 'base64url').toString()),
    );
    return { created_at, id };
  } catch {
    return undefined;
  }
}
