import type { Definition } from '../../check.ts';
import type { Service } from '../../model.ts';
import { say } from '../../texts.ts';
import { faultsOfServices } from './services.ts';

export const check: Definition = {
  id: 'compose.logging',
  chapter: 'Service configuration',
  points: 2,
  run: (project) => faultsOfServices(project, faultsOfLogging),
};

function faultsOfLogging([service, { logging }]: [string, Service]): string[] {
  const { driver = 'json-file', options = {} } = logging ?? {}; // the engine's default
  if (!logging) return [say('compose.logging.no-section', { service })];
  // local and journald have limits of their own; the others send the logs elsewhere.
  if (driver !== 'json-file') return [];
  const missing = ['max-size', 'max-file'].filter((option) => !(option in options));
  const faults = missing.map((option) => say('compose.logging.no-option', { service, option }));
  const { 'max-size': size, 'max-file': files } = options;
  if (size !== undefined && !(bytesOf(size) * (Number(files) || 1) <= mostBytes))
    faults.push(say('compose.logging.too-much', { service, size, files: files ?? 1 }));
  return faults;
}

const mostBytes = 10 * 1_024 ** 3; // more than that is no limit on the disk of a small server

/** About how large a log may become; NaN for -1, which is no limit. */
function bytesOf(size: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(size.trim()) ?? [];
  return Number(number) * 1_024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
}
