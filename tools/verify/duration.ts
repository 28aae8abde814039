// Durations as Compose writes them.

const units: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** The milliseconds of a duration such as 1m30s; NaN if it is none. */
export function durationMs(text: unknown): number {
  if (typeof text !== 'string' || !/^([\d.]+(h|ms|m|us|µs|ns|s))+$/.test(text)) return NaN;
  const parts = [...text.matchAll(/([\d.]+)(h|ms|m|us|µs|ns|s)/g)];
  return parts.reduce((sum, [, n, unit = '']) => sum + Number(n) * (units[unit] ?? NaN), 0);
}
