// What the rounds of a measurement say together, and which of it is noise.

/** What one round measured. */
export interface Round {
  /** Requests per second, without those that failed. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** CPU time per request, in microseconds. NaN if unknown. */
  web: number;
  api: number;
  db: number;
  engine: number;
  /** Bytes that PostgreSQL wrote to its WAL, per request. */
  wal: number;
  /** MiB of the API's containers at the end. */
  memory: number;
  errors: number;
}

/** The rounds of one subject, such as a variant, with one operation. */
export interface Result {
  subject: string;
  operation: string;
  connections: number;
  rounds: Round[];
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

/** A figure is noise if its rounds are further apart than this part of their median. */
export const limitOfSpread = 0.2;

function isNoise(values: number[], digits: number): boolean {
  const spread = Math.max(...values) - Math.min(...values);
  return spread > limitOfSpread * median(values) && spread >= 10 ** -digits; // else it is not seen
}

/** The median of a figure, marked if it is noise. */
export function figure(values: number[], digits = 0): string {
  const value = median(values);
  if (Number.isNaN(value)) return '–';
  const text = value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return isNoise(values, digits) ? `${text} ~` : text;
}

/**
 * How many times as fast as `other`: the median over the rounds, each compared with the round of
 * `other` beside it. Marked if the rounds disagree about which of the two is faster.
 */
export function ratio(rounds: Round[], other: Round[] | undefined): string {
  if (!other) return '–';
  if (rounds === other) return '1.00';
  const ratios = rounds.map(({ rate }, n) => rate / (other[n]?.rate ?? NaN));
  const isOpen = Math.min(...ratios) < 1 && Math.max(...ratios) > 1;
  return `${isOpen ? '≈ ' : ''}${median(ratios).toFixed(2)}`;
}
