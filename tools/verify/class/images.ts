// The images that submissions pull: an image that was on the machine before is never removed.
import { type Asked, entriesOf } from './asked.ts';
import { type Docker } from './docker.ts';

/** The images of a model that are not on this machine; not those that are built for it. */
export async function missingImages(model: Asked, docker: Docker): Promise<string[]> {
  const services = entriesOf(model.services).map(([, service]) => service);
  const names = services.filter(({ build }) => !build).map(({ image }) => String(image));
  const missing: string[] = [];
  for (const name of new Set(names)) {
    const { ok, ended } = await docker(['image', 'inspect', '--format', '{{.Id}}', '--', name]);
    if (!ok && ended === '') missing.push(name);
  }
  return missing;
}

/** Removes images, as far as no container uses them. */
export async function removeImages(names: Iterable<string>, docker: Docker): Promise<void> {
  for (const name of names) await docker(['image', 'rm', '--', name]);
}
