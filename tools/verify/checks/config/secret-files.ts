import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { allContainers, isRunning, nameOf, serviceNameOf } from '../../containers.ts';
import { NotApplicable } from '../../errors.ts';
import type { Container, Service } from '../../model.ts';
import type { Project } from '../../project.ts';
import { patternOf, type Secret, secretFiles } from '../../secrets.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.secret-files',
  chapter: 'Environment and secrets',
  points: 1,
  async *run(project) {
    const model = await wholeModel(project);
    const secrets = secretFiles(model);
    const containers = (await allContainers(project)).filter(isRunning);
    const promised = containers.filter(
      (container) => model.services[serviceNameOf(container)]?.secrets?.length,
    );
    if (secrets.length === 0 || promised.length === 0)
      throw new NotApplicable(say('config.secret-files.no-such-container'));
    for (const container of promised) {
      const service = model.services[serviceNameOf(container)] ?? {};
      const environment = [
        ...(container.Config.Env ?? []),
        ...withoutOwnOfImage(service, await environmentOfProcesses(project, container)),
      ];
      const found = secrets.filter((secret) => isIn(environment, secret));
      const name = nameOf(container);
      for (const { place: secret } of found)
        yield say('config.secret-files.in-environment', { container: name, secret });
    }
  },
};

/** True if a variable is the secret, or has it in a text, such as the address of a database. */
function isIn(environment: string[], secret: Secret): boolean {
  if (environment.some((line) => line.endsWith(`=${secret.value}`))) return true;
  const forms = [secret.value, encodeURIComponent(secret.value)];
  const patterns = forms.map((value) => patternOf({ ...secret, value }));
  return environment.some((line) => patterns.some((pattern) => pattern.test(line)));
}

/** Without what the entrypoint of PostgreSQL's image itself exports of what a file has. */
function withoutOwnOfImage({ environment = {} }: Service, lines: string[]): string[] {
  const names = ['USER', 'PASSWORD', 'DB', 'INITDB_ARGS'].map((name) => `POSTGRES_${name}`);
  const own = names.filter((name) => `${name}_FILE` in environment);
  return lines.filter((line) => !own.some((name) => line.startsWith(`${name}=`)));
}

// Without processes of `docker exec`, such as our own psql: in the container, their parent is 0.
const printVariables = `
  for dir in /proc/[0-9]*; do
    if [ $dir != /proc/1 ] && grep -q '^PPid:.0$' $dir/status; then continue; fi
    cat $dir/environ
  done 2>/dev/null`;

/** The variables of every process that may be looked at. */
async function environmentOfProcesses(project: Project, { Id }: Container): Promise<string[]> {
  const { stdout } = await project.docker(['exec', Id, 'sh', '-c', printVariables]);
  return stdout.toString().split('\0');
}
