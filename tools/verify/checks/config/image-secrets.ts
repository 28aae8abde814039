import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { imageOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import { findInImage, type Wanted } from '../../image-files.ts';
import { patternOf, type Secret, secretsOf } from '../../secrets.ts';
import { settingsFiles } from '../../settings-files.ts';
import { say } from '../../texts.ts';

interface Placed extends Wanted {
  place: string;
  isFile?: true;
}

export const check: Definition = {
  id: 'config.image-secrets',
  chapter: 'Environment and secrets',
  points: 2,
  async *run(project) {
    const { services } = await wholeModel(project);
    const built = Object.keys(services).filter((name) => services[name]?.build);
    if (built.length === 0) throw new NotApplicable(say('config.image-secrets.nothing-built'));
    const secrets = (await secretsOf(project)).filter(({ isOfImage }) => !isOfImage);
    const wanted: Placed[] = [...secrets.map(asWanted), ...settingsFiles(project)];
    if (wanted.length === 0) throw new NotApplicable(say('config.image-secrets.no-secret'));
    for (const service of built) {
      const { Id } = await imageOf(project, service);
      const found = await findInImage(project, Id, wanted);
      for (const secret of placesOf(found))
        yield say('config.image-secrets.found', { service, secret });
    }
  },
};

function asWanted(secret: Secret): Placed {
  const pattern = patternOf(secret);
  const { place, value } = secret;
  return { place, value, isIn: (text) => text.includes(value) && pattern.test(text) };
}

/** What to name: not a settings file, if a secret in it is named. */
function placesOf(found: Set<Placed>): string[] {
  const all = [...found];
  const secrets = all.filter(({ isFile }) => !isFile);
  const isNamed = (one: Placed) =>
    one.isFile && secrets.some(({ value }) => one.value.includes(value));
  return all.filter((one) => !isNamed(one)).map(({ place }) => place);
}
