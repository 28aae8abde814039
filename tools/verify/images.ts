// Image names, and the base images of Dockerfiles.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Service } from './model.ts';

type Build = NonNullable<Service['build']>;

/**
 * True for a name with a digest, or with a tag that has a version or is a commit: not for latest,
 * alpine, or alpine3.22, which is the version of something else.
 */
export function isPinned(image: string): boolean {
  if (image.includes('@sha256:')) return true;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag !== undefined && /(?:^|[-_])v?\d|^[0-9a-f]{7,40}$/.test(tag);
}

/** The images that the Dockerfile of a service uses; none if the service is not built. */
export function baseImages({ build }: Service): string[] {
  if (!build) return [];
  const text = dockerfileOf(build);
  const values = argumentsOf(text, build);
  const stages = new Set(['scratch']);
  const images: string[] = [];
  for (const { image, stage } of fromLines(text)) {
    if (!stages.has(image.toLowerCase())) images.push(substitute(image, values));
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  const copied = copiedFrom(text).filter((image) => !stages.has(image.toLowerCase()));
  return [...images, ...copied.map((image) => substitute(image, values))];
}

/** Where the program of an image runs, as its Dockerfile says. */
export function workingDirectory(build: Build): string {
  const text = dockerfileOf(build);
  const lines = [...text.matchAll(/^\s*WORKDIR\s+["']?([^\s"']+)/gim)];
  return lines.map(([, path = '']) => path).reduce((now, next) => resolve(now, next), '/');
}

function dockerfileOf({ context, dockerfile = 'Dockerfile', dockerfile_inline }: Build): string {
  if (dockerfile_inline !== undefined) return dockerfile_inline;
  const path = resolve(context, dockerfile);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The build arguments: the defaults of the Dockerfile, and what Compose gives instead. */
function argumentsOf(text: string, { args = {} }: Build): Map<string, string> {
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^\s*ARG\s+(\w+)=["']?([^\s"']*)/gim))
    values.set(name, value);
  for (const [name, value] of Object.entries(args)) if (value !== null) values.set(name, value);
  return values;
}

/** The FROM lines: `FROM [--option] image [AS stage]`. */
function fromLines(text: string): { image: string; stage: string | undefined }[] {
  const lines = text.matchAll(/^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/gim);
  return [...lines].map(([, image = '', stage]) => ({ image, stage }));
}

/** Where files come from: `COPY --from=image`, `RUN --mount=…,from=image`. A number is a stage. */
function copiedFrom(text: string): string[] {
  const sources = text.matchAll(/^\s*(?:COPY|RUN)\s[^\n]*?(?:--|,)from=([^\s,]+)/gim);
  return [...sources].map(([, image = '']) => image).filter((image) => !/^\d+$/.test(image));
}

/** Replaces $NAME, ${NAME} and ${NAME:-default}. */
function substitute(image: string, values: Map<string, string>): string {
  return image.replaceAll(
    /\$\{?(\w+)(?::-([^}]*))?\}?/g,
    (_all, name: string, byDefault?: string) => values.get(name) ?? byDefault ?? '',
  );
}
