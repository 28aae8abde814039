// findInImage reads what `docker save` writes, whatever the pieces in which it comes.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { env } from 'node:process';
import { expect, inject, it, onTestFinished } from 'vitest';
import { findInImage } from '../image-files.ts';
import { Project } from '../project.ts';

it.skipIf(inject('notRunBecause'))(
  'ends although the last block of the archive is late',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-verify-image-'));
    const image = `taskapp-verify-${crypto.randomUUID().slice(0, 8)}`;
    writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY text /\n');
    writeFileSync(join(directory, 'text'), 'there');
    execFileSync('docker', ['build', '--quiet', '--tag', image, directory]);
    onTestFinished(() => {
      execFileSync('docker', ['image', 'rm', image]);
      rmSync(directory, { recursive: true });
    });
    const script = `#!/usr/bin/env bash
    PATH=\${PATH#*:}
    docker "$@" >archive
    head -c -512 archive
    sleep 1
    tail -c 512 archive
  `;
    writeFileSync(join(directory, 'docker'), script, { mode: 0o755 });
    const path = `${directory}${delimiter}${env.PATH}`;
    const project = new Project({ directory, env: { PATH: path } });
    const wanted = ['there', 'not there'].map((value) => ({
      value,
      isIn: (text: string) => text.includes(value),
    }));
    const found = await findInImage(project, image, wanted);
    expect([...found].map(({ value }) => value)).toEqual(['there']);
  },
);
