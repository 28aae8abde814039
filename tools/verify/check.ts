// What a check is.
import type { Project } from './project.ts';
import type { Texts } from './texts.ts';

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
  'What comes next',
] as const;
export type Chapter = (typeof chapters)[number];

/** What a check finds wrong, one fault per entry. */
export type Faults = Iterable<string> | AsyncIterable<string>;

/** What a check looks at. Its texts are not here: they can be translated. */
export interface Definition {
  /** Its group, a dot, and a name. */
  id: `${Group}.${string}`;
  chapter: Chapter;
  points: number;
  /** Set if the check stops, starts or recreates containers: it then needs --destructive. */
  destructive?: true;
  /** Set if it must see the stack as it was given: before others have restarted anything. */
  first?: true;
  /** Set if the check waits for the health checks of the stack: their own times then count. */
  waits?: true;
  /**
   * Returns or yields what is wrong; if that is nothing, the check passes. Throws NotApplicable or
   * NotPossible when it has no verdict. Faults that it has yielded before still count.
   */
  run(project: Project): Promise<Faults> | Faults;
}

export interface Check extends Definition, Texts {}

/** The group of a check: the part of its id before the dot. */
export const groupOf = ({ id }: Definition): Group => id.slice(0, id.indexOf('.')) as Group;
