import { type Check, snippet } from '../../check.ts';
import type { Service } from '../../model.ts';
import { faultsOfServices } from './services.ts';

export const check: Check = {
  id: 'compose.logging',
  title: 'The logs of every service are limited in size',
  chapter: 'Service configuration',
  points: 2,
  why: 'Without a limit they fill the disk, and a full disk stops the database.',
  fix: snippet`
    logging:
      driver: json-file
      options: { max-size: 10m, max-file: "3" }
  `,
  run: (project) => faultsOfServices(project, faultsOfLogging),
};

function faultsOfLogging([name, service]: [string, Service]): string[] {
  const { driver = 'json-file', options = {} } = service.logging ?? {}; // the engine's default
  if (!service.logging) return [`${name} has no logging section`];
  // local and journald have limits of their own; the others send the logs elsewhere.
  if (driver !== 'json-file') return [];
  const missing = ['max-size', 'max-file'].filter((option) => !(option in options));
  const faults = missing.map((option) => `${name} sets no ${option} for its logs`);
  const { 'max-size': size, 'max-file': files } = options;
  if (size !== undefined && !(bytesOf(size) * (Number(files) || 1) <= mostBytes))
    faults.push(`${name} has max-size: ${size} and max-file: ${files ?? 1}, no limit`);
  return faults;
}

const mostBytes = 10 * 1_024 ** 3; // more than that is no limit on the disk of a small server

/** About how large a log may become; NaN for -1, which is no limit. */
function bytesOf(size: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(size.trim()) ?? [];
  return Number(number) * 1_024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
}
