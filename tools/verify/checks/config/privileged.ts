import type { Check } from '../../check.ts';
import { productionModel, wholeModel } from '../../compose.ts';
import type { Service } from '../../model.ts';

export const check: Check = {
  id: 'config.privileged',
  title: 'No service has the rights of root on the host',
  chapter: 'Hardening',
  points: 1,
  why:
    'privileged: true, all capabilities, the socket of Docker, a disk, or a directory of the system ' +
    'that it may write to: each of them is the whole host.',
  fix: 'Remove it. Name the one capability, or mount the one directory, that is needed.',
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
  const whole = (service.cap_add ?? []).filter(isWholeHost);
  faults.push(...whole.map((capability) => `${name} has the capability ${capability}`));
  const mounts = (service.volumes ?? []).filter(({ type }) => type === 'bind');
  const sockets = mounts.filter(({ source = '' }) => hasSocket(source));
  if (sockets.length > 0) faults.push(`${name} has the socket of Docker`);
  const system = mounts.filter(({ source = '', read_only }) => !read_only && isOfSystem(source));
  faults.push(...system.map(({ source }) => `${name} may write to ${source} of the host`));
  const disks = (service.devices ?? []).map(({ source }) => source).filter(isDisk);
  faults.push(...disks.map((disk) => `${name} has the device ${disk} of the host`));
  return faults;
}

/** True for a capability that mounts, loads modules, or reads any file or memory of the host. */
const isWholeHost = (capability: string) =>
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_MODULE|SYS_RAWIO|DAC_READ_SEARCH)$/i.test(capability);

/** True for the socket of Docker, or its directory: read-only does not keep anybody from using it. */
const hasSocket = (path: string) => /docker\.sock$|^(?:\/var)?\/run\/?$/.test(path);

/** True for a directory whose files decide what root runs. */
const isOfSystem = (path: string) =>
  /^\/(?:(?:bin|boot|dev|etc|lib|proc|root|sbin|sys|usr|var|var\/lib|var\/lib\/docker)\/?)?$/.test(
    path,
  );

const isDisk = (path: string) =>
  /^\/dev\/(?:k?mem|[hsvx]+d[a-z]|nvme|mmcblk|dm-|mapper)/.test(path);
