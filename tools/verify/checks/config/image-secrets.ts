import { type Check, snippet } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { imageOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import { findInImage, type Wanted } from '../../image-files.ts';
import { patternOf, type Secret, secretsOf } from '../../secrets.ts';
import { settingsFiles } from '../../settings-files.ts';

interface Placed extends Wanted {
  place: string;
  isFile?: true;
}

export const check: Check = {
  id: 'config.image-secrets',
  title: 'No image that is built here contains a secret',
  chapter: 'Environment and secrets',
  points: 2,
  why:
    'Everybody who can pull an image can read every file of every layer, also one that a later ' +
    'line deletes, and every ENV and ARG.',
  fix: snippet`
    printf '.env*\\nsecrets/\\n.git/\\n' >> .dockerignore    # what COPY . . must not take
    # no ENV or ARG for a secret: give it to the container, in environment: or secrets:
  `,
  async run(project) {
    const { services } = await wholeModel(project);
    const built = Object.keys(services).filter((name) => services[name]?.build);
    if (built.length === 0) throw new NotApplicable('no image is built here');
    const secrets = (await secretsOf(project)).filter(({ isOfImage }) => !isOfImage);
    const wanted: Placed[] = [...secrets.map(asWanted), ...settingsFiles(project)];
    if (wanted.length === 0) throw new NotApplicable('there is no secret, and no .env');
    const faults: string[] = [];
    for (const name of built) {
      const { Id } = await imageOf(project, name);
      const found = await findInImage(project, Id, wanted);
      faults.push(...placesOf(found).map((place) => `the image of ${name} contains ${place}`));
    }
    return faults;
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
