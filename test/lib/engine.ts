// Decides once, before the stack suite, whether it can run.
import { execFileSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why the stack suite cannot run; empty if it can. */
    notRunBecause: string;
  }
}

/** Why no Docker Engine with Compose can be used here; undefined if one can. */
export function engineFault(): string | undefined {
  try {
    execFileSync('docker', ['info', '--format', '{{.ServerVersion}}'], {
      stdio: 'pipe',
      timeout: 20_000,
    });
    execFileSync('docker', ['compose', 'version'], { stdio: 'pipe', timeout: 20_000 });
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    if (code === 'ENOENT') return 'the docker command is not installed';
    return stderr?.toString().trim().split('\n').at(-1) || String(error);
  }
}

export default function setup({ provide }: TestProject): void {
  // Its cleaner container is one more image to pull; the suites take down what they start.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';

  const fault = engineFault();
  if (fault && process.env.REQUIRE_DOCKER === '1') {
    throw new Error(`REQUIRE_DOCKER=1, but the stack suite cannot run: ${fault}`);
  }
  provide('notRunBecause', fault ?? '');
}
