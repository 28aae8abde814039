import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { always, type Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.debug',
  chapter: 'Production patterns',
  points: 2,
  async run(project) {
    return always(await productionModel(project)).flatMap(faultsOfDebug);
  },
};

function faultsOfDebug([service, { environment = {}, ...run }]: [string, Service]): string[] {
  const isOn = ([name, value]: [string, string | null]) =>
    /DEBUG$/i.test(name)
      ? /^(?:1|true|yes|on)$/i.test(value ?? '')
      : /ENV(?:IRONMENT)?$/i.test(name) && /^(?:dev|development|debug)$/i.test(value ?? '');
  const variables = Object.entries(environment).filter(isOn);
  // A shell has the whole command in one text.
  const words = [...(run.entrypoint ?? []), ...(run.command ?? [])].flatMap((text) =>
    text.split(/[\s;&|]+/),
  );
  const options = words.filter((word) => /^--(?:debug|reload|watch)$/.test(word));
  return [
    ...variables.map(([name, value]) => say('prod.debug.variable', { service, name, value })),
    ...options.map((option) => say('prod.debug.option', { service, option })),
  ];
}
