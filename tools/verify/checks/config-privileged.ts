import type { Check } from '../check.ts';
import { productionModel, wholeModel } from '../compose.ts';
import type { Service } from '../model.ts';

export const configPrivileged: Check = {
  id: 'config.privileged',
  title: 'No service has the rights of root on the host',
  chapter: 'Hardening',
  points: 1,
  why: 'privileged: true, all capabilities, or the socket of Docker: each of them is the whole host.',
  fix: 'Remove privileged: true. Name the one capability that is needed, if there is one.',
  async run(project) {
    const production = await productionModel(project).catch(() => undefined);
    const models = [await wholeModel(project), ...(production ? [production] : [])];
    const all = models.flatMap(({ services }) => Object.entries(services).flatMap(faultsOfRights));
    return [...new Set(all)];
  },
};

function faultsOfRights([name, service]: [string, Service]): string[] {
  const faults: string[] = [];
  if (service.privileged) faults.push(`${name} is privileged`);
  const whole = (service.cap_add ?? []).filter((one) => /^(?:CAP_)?(?:ALL|SYS_ADMIN)$/i.test(one));
  faults.push(...whole.map((capability) => `${name} has the capability ${capability}`));
  const sockets = (service.volumes ?? []).filter(({ source = '' }) =>
    source.endsWith('docker.sock'),
  );
  if (sockets.length > 0) faults.push(`${name} has the socket of Docker`);
  return faults;
}
