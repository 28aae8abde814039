import { spawnSync } from 'node:child_process';

/** Why nothing can be built for Kubernetes here; undefined if it can. */
export function kubectlFault(): string | undefined {
  const { error, status, stderr } = spawnSync('kubectl', ['kustomize', '--help']);
  if (error) return 'the kubectl command is not installed';
  return status === 0 ? undefined : stderr.toString().trim();
}
