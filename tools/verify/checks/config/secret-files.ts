import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { allContainers, isRunning, nameOf, serviceNameOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import type { Container } from '../../model.ts';
import type { Project } from '../../project.ts';
import { patternOf, type Secret, secretFiles } from '../../secrets.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.secret-files',
  chapter: 'Environment and secrets',
  points: 1,
  async run(project) {
    const model = await wholeModel(project);
    const secrets = secretFiles(model);
    const containers = (await allContainers(project)).filter(isRunning);
    const promised = containers.filter(
      (container) => model.services[serviceNameOf(container)]?.secrets?.length,
    );
    if (secrets.length === 0 || promised.length === 0)
      throw new NotApplicable(say('config.secret-files.no-such-container'));
    const faults: string[] = [];
    for (const container of promised) {
      const environment = await environmentsOf(project, container);
      const found = secrets.filter((secret) => isIn(environment, secret));
      const name = nameOf(container);
      for (const { place: secret } of found)
        faults.push(say('config.secret-files.in-environment', { container: name, secret }));
    }
    return faults;
  },
};

/** True if a variable is the secret, or has it in a text, such as the address of a database. */
const isIn = (environment: string, secret: Secret): boolean =>
  environment.includes(`=${secret.value}\0`) ||
  [secret.value, encodeURIComponent(secret.value)].some((value) =>
    patternOf({ ...secret, value }).test(environment),
  );

/** The environment that a container was given, and that of each process that may be looked at. */
async function environmentsOf(project: Project, { Id, Config }: Container): Promise<string> {
  const given = (Config.Env ?? []).map((line) => `${line}\0`).join('');
  const script = 'cat /proc/[0-9]*/environ 2>/dev/null';
  const { stdout } = await project.docker(['exec', Id, 'sh', '-c', script]);
  return given + stdout.toString();
}
