// Health checks that students write: those that always succeed are found, and no others.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { Project } from '../../project.ts';
import { verify } from '../../run.ts';

const directory = join(import.meta.dirname, 'can-fail');
const nameIn = (fault: string) => fault.slice(0, fault.indexOf(':'));

describe.skipIf(inject('notRunBecause'))('health.can-fail', () => {
  it('runs every check where its service does not work', async () => {
    const project = new Project({ directory });
    const { results } = await verify(project, { only: ['health.can-fail'] });
    const [result] = results;
    expect(result?.reason).toBe('');
    const model = execFileSync('docker', ['compose', 'config', '--services'], { cwd: directory });
    const services = model.toString().trim().split('\n');
    const expected = services.filter((name) => /^(wrong|careless)-/.test(name));
    expect(result?.seen.map(nameIn).toSorted()).toEqual(expected.toSorted());
    const careless = result?.seen.filter((fault) => fault.startsWith('careless-'));
    expect(careless?.every((fault) => fault.includes('where every answer is 503'))).toBe(true);

    const left = ['ps', '--all', '--quiet', '--filter', `name=${project.mark}`];
    expect(execFileSync('docker', left).toString()).toBe('');
  });

  it('has no verdict on an image that is not here', async () => {
    const env = { NGINX_IMAGE: 'example.invalid/nginx:1' };
    const project = new Project({ directory, env });
    const { results } = await verify(project, { only: ['health.can-fail'] });
    expect(results[0]?.reason).toMatch(/^the image of [\w-]+ is missing/);
  });
});

describe.skipIf(inject('notRunBecause'))('health.timing', () => {
  it('wants a timeout, and leaves retries to the default', async () => {
    const project = new Project({ directory });
    const { results } = await verify(project, { only: ['health.timing'] });
    const own = results[0]?.seen.filter((fault) => fault.startsWith('right-script:'));
    expect(own).toEqual(['right-script: no timeout']);
  });
});
