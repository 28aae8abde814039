import { type Check, snippet } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { imageOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import { findInImage } from '../../image-files.ts';
import { patternOf, secretsOf } from '../../secrets.ts';

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
    const wanted = secrets.map((secret) => ({ ...secret, pattern: patternOf(secret) }));
    if (wanted.length === 0) return []; // all that the stack uses is published anyway
    const faults: string[] = [];
    for (const name of built) {
      const { Id } = await imageOf(project, name);
      const found = await findInImage(project, Id, wanted);
      const places = wanted.filter((one) => found.has(one)).map(({ place }) => place);
      faults.push(...places.map((place) => `the image of ${name} contains ${place}`));
    }
    return faults;
  },
};
