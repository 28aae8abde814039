// Decides once, before the browser suite, whether it can run.
import { accessSync, constants } from 'node:fs';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The program; empty where there is none, and the browser suite does not run. */
    chromium: string;
  }
}

export default function setup({ provide }: TestProject): () => void {
  const program = process.env.CHROMIUM || '/usr/bin/chromium';
  let fault = '';
  try {
    accessSync(program, constants.X_OK);
  } catch {
    fault = `${program} cannot be run; install Debian's chromium, or set CHROMIUM to another one`;
  }
  if (fault && process.env.REQUIRE_CHROMIUM === '1')
    throw new Error(`REQUIRE_CHROMIUM=1, but the browser suite cannot run: ${fault}`);
  provide('chromium', fault ? '' : program);
  return () => {
    if (fault) console.warn(`\nBROWSER SUITE NOT RUN: ${fault}`);
  };
}
