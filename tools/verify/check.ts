// What a check is, and the two reasons for which one gives no verdict.
import type { Project } from './project.ts';

export const groups = [
  'files',
  'compose',
  'health',
  'network',
  'volumes',
  'config',
  'api',
  'database',
  'prod',
  'operations',
] as const;
export type Group = (typeof groups)[number];

/** The chapters of the course's week, in its order. docs/labs.md has a section for each. */
export const chapters = [
  'Compose basics',
  'Service configuration',
  'Health checks',
  'Networks',
  'Volumes',
  'Environment and secrets',
  'Overrides and profiles',
  'Composing the app',
  'Podman',
  'Production patterns',
  'Database operations',
  'Monitoring',
  'CI/CD and tags',
  'Hardening',
  'Backups',
  'What comes after',
] as const;
export type Chapter = (typeof chapters)[number];

export interface Check {
  /** Its group, a dot, and a name. */
  id: `${Group}.${string}`;
  /** What holds when it passes, one sentence. */
  title: string;
  chapter: Chapter;
  points: number;
  /** Why it matters, and how to mend it: a snippet. */
  why: string;
  fix: string;
  /** It stops, starts or re-creates containers, and runs only when that is asked for. */
  destructive?: true;
  /** Returns what was seen that should not be; nothing when the check passes. Throws NotApplicable or NotPossible instead of a verdict. */
  run(project: Project): Promise<string[]> | string[];
}

export const groupOf = ({ id }: Check): Group => id.slice(0, id.indexOf('.')) as Group;

/** The project has nothing of the kind that is checked, and need not have. */
export class NotApplicable extends Error {}

/** What is checked could not be looked at. The message says why. */
export class NotPossible extends Error {}
