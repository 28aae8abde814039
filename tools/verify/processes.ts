// The processes of a container.
import { lastLine } from './command.ts';
import { NotPossible } from './errors.ts';
import type { Container } from './model.ts';
import type { Project } from './project.ts';

export interface Process {
  uid: string;
  command: string;
}

/**
 * The processes that a container's own program started: without those of its health check or of
 * `docker exec`, and without Docker's init. Throws NotPossible if the engine cannot tell.
 */
export async function processesOf(project: Project, container: Container): Promise<Process[]> {
  const { Id, State } = container;
  const { code, stdout, stderr } = await project.docker(['top', Id, '-eo', 'uid,pid,ppid,args']);
  if (code !== 0) throw new NotPossible(`docker top: ${lastLine(stderr)}`);

  const own = new Set([String(State.Pid)]);
  const processes: Process[] = [];
  const lines = stdout.toString().matchAll(/^[ \t]*(\d+)[ \t]+(\d+)[ \t]+(\d+)[ \t]+(.*)$/gm);
  for (const [, uid = '', pid = '', parent = '', command = ''] of lines) {
    if (!own.has(pid) && !own.has(parent)) continue;
    own.add(pid); // ps lists parents before their children
    if (!command.includes('docker-init')) processes.push({ uid, command });
  }
  return processes;
}
