import type { Definition } from '../../check.ts';
import { productionModel, wholeModel } from '../../compose.ts';
import type { Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.privileged',
  chapter: 'Hardening',
  points: 1,
  async run(project) {
    const production = await productionModel(project).catch(() => undefined);
    const models = [await wholeModel(project), ...(production ? [production] : [])];
    const all = models.flatMap(({ services }) => Object.entries(services).flatMap(faultsOfRights));
    return [...new Set(all)];
  },
};

function faultsOfRights([service, settings]: [string, Service]): string[] {
  const faults: string[] = [];
  if (settings.privileged) faults.push(say('config.privileged.privileged', { service }));
  const whole = (settings.cap_add ?? []).filter(isWholeHost);
  faults.push(
    ...whole.map((capability) => say('config.privileged.capability', { service, capability })),
  );
  const mounts = (settings.volumes ?? []).filter(({ type }) => type === 'bind');
  const sockets = mounts.filter(({ source = '' }) => hasSocket(source));
  if (sockets.length > 0) faults.push(say('config.privileged.socket', { service }));
  const system = mounts.filter(({ source = '', read_only }) => !read_only && isOfSystem(source));
  faults.push(
    ...system.map(({ source: path }) =>
      say('config.privileged.system-directory', { service, path }),
    ),
  );
  const disks = (settings.devices ?? []).map(({ source }) => source).filter(isDisk);
  faults.push(...disks.map((path) => say('config.privileged.disk', { service, path })));
  return faults;
}

/** True for a capability that mounts, loads modules, or reads any file or memory of the host. */
const isWholeHost = (capability: string) =>
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_MODULE|SYS_RAWIO|DAC_READ_SEARCH)$/i.test(capability);

/** True for the socket of Docker, or its directory: even a read-only mount lets anybody use it. */
const hasSocket = (path: string) => /docker\.sock$|^(?:\/var)?\/run\/?$/.test(path);

/** True for a directory whose files decide what root runs. */
const isOfSystem = (path: string) =>
  /^\/(?:(?:bin|boot|dev|etc|lib|proc|root|sbin|sys|usr|var|var\/lib|var\/lib\/docker)\/?)?$/.test(
    path,
  );

const isDisk = (path: string) =>
  /^\/dev\/(?:k?mem|[hsvx]+d[a-z]|nvme|mmcblk|dm-|mapper)/.test(path);
