import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { imageInProduction } from '../../containers.ts';
import { always, type Image, type Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.debug',
  chapter: 'Production patterns',
  points: 2,
  async *run(project) {
    for (const [name, service] of always(await productionModel(project)))
      yield* faultsOfDebug(name, service, await imageInProduction(project, name));
  },
};

/** The settings of the image apply unless the service overrides them. */
function faultsOfDebug(service: string, settings: Service, image: Image | undefined): string[] {
  const { Env, Entrypoint, Cmd } = image?.Config ?? {};
  const ofImage = Object.fromEntries((Env ?? []).map(parted));
  const variables = Object.entries({ ...ofImage, ...settings.environment }).filter(isOn);
  const { entrypoint, command = null } = settings;
  const args = entrypoint ? command : (command ?? Cmd);
  // A shell has the whole command in one text.
  const words = [...(entrypoint ?? Entrypoint ?? []), ...(args ?? [])].flatMap((text) =>
    text.split(/[\s;&|]+/),
  );
  const options = words.filter((word) => /^--(?:debug|reload|watch)$/.test(word));
  return [
    ...variables.map(([name, value]) => say('prod.debug.variable', { service, name, value })),
    ...options.map((option) => say('prod.debug.option', { service, option })),
  ];
}

/** The name and the value of a variable, which may have further equals signs. */
function parted(line: string): [string, string | null] {
  const [name = '', value = ''] = line.split(/=(.*)/s);
  return [name, value];
}

const isOn = ([name, value]: [string, string | null]) =>
  /DEBUG$/i.test(name)
    ? /^(?:1|true|yes|on)$/i.test(value ?? '')
    : /ENV(?:IRONMENT)?$/i.test(name) && /^(?:dev|development|debug)$/i.test(value ?? '');
