import { type Check, snippet } from '../check.ts';
import { productionModel } from '../compose.ts';
import { always, type Service } from '../model.ts';

export const prodDebug: Check = {
  id: 'prod.debug',
  title: 'Nothing runs in debug mode in production',
  chapter: 'Production patterns',
  points: 2,
  why: 'Debug mode shows the source with each error, and may let a visitor run code.',
  fix: snippet`
    # compose.override.yml, which production does not load
    api:
      environment: { FLASK_DEBUG: 1 }
  `,
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
    ...variables.map(([name, value]) => `${service} has ${name}=${value}`),
    ...options.map((option) => `${service} runs with ${option}`),
  ];
}
