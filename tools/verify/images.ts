// Names of images, and what Dockerfiles start from.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Service } from './model.ts';

/** True for a name with a digest or with a tag that is not latest. */
export function isPinned(image: string): boolean {
  if (image.includes('@sha256:')) return true;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag !== undefined && tag !== 'latest';
}

/** The images that the Dockerfile of a service starts from; none where the service is not built. */
export function baseImages({ build }: Service): string[] {
  if (!build) return [];
  const path = resolve(build.context, build.dockerfile ?? 'Dockerfile');
  const text = build.dockerfile_inline ?? (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const values = new Map(
    [...text.matchAll(/^\s*ARG\s+(\w+)=["']?([^\s"']*)/gim)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
  for (const [name, value] of Object.entries(build.args ?? {}))
    if (value !== null) values.set(name, value);
  const filled = (image: string) =>
    image.replaceAll(
      /\$\{?(\w+)(?::-([^}]*))?\}?/g,
      (_all, name: string, or?: string) => values.get(name) ?? or ?? '',
    );

  const stages = new Set(['scratch']);
  return [...text.matchAll(/^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/gim)].flatMap(
    ([, image = '', stage]) => {
      const isStage = stages.has(image.toLowerCase());
      if (stage !== undefined) stages.add(stage.toLowerCase());
      return isStage ? [] : [filled(image)];
    },
  );
}
