import { type Check, snippet } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { allContainers, isRunning, nameOf, serviceNameOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import type { Container } from '../../model.ts';
import type { Project } from '../../project.ts';
import { patternOf, type Secret, secretFiles } from '../../secrets.ts';

export const check: Check = {
  id: 'config.secret-files',
  title: 'A secret that is given as a file is not in the environment as well',
  chapter: 'Environment and secrets',
  points: 1,
  why: 'docker inspect, child processes and crash reports show the environment: hence the file.',
  fix: snippet`
    environment:
      DB_PASS_FILE: /run/secrets/db_pass    # and no DB_PASS, also not by export in an entrypoint
  `,
  async run(project) {
    const model = await wholeModel(project);
    const secrets = secretFiles(model);
    const containers = (await allContainers(project)).filter(isRunning);
    const promised = containers.filter(
      (container) => model.services[serviceNameOf(container)]?.secrets?.length,
    );
    if (secrets.length === 0 || promised.length === 0)
      throw new NotApplicable('no running container has a secret as a file');
    const faults: string[] = [];
    for (const container of promised) {
      const environment = await environmentsOf(project, container);
      const found = secrets.filter((secret) => isIn(environment, secret));
      const places = found.map(({ place }) => place);
      faults.push(...places.map((place) => `${nameOf(container)} has ${place} in its environment`));
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
