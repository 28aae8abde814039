import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { imageOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import { findInImage } from '../../image-files.ts';
import { patternOf, secretsOf } from '../../secrets.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.image-secrets',
  chapter: 'Environment and secrets',
  points: 2,
  async run(project) {
    const { services } = await wholeModel(project);
    const built = Object.keys(services).filter((name) => services[name]?.build);
    if (built.length === 0) throw new NotApplicable(say('config.image-secrets.nothing-built'));
    const secrets = (await secretsOf(project)).filter(({ isOfImage }) => !isOfImage);
    const wanted = secrets.map((secret) => ({ ...secret, pattern: patternOf(secret) }));
    if (wanted.length === 0) return []; // all that the stack uses is published anyway
    const faults: string[] = [];
    for (const service of built) {
      const { Id } = await imageOf(project, service);
      const found = await findInImage(project, Id, wanted);
      const places = wanted.filter((one) => found.has(one)).map(({ place }) => place);
      for (const secret of places)
        faults.push(say('config.image-secrets.found', { service, secret }));
    }
    return faults;
  },
};
