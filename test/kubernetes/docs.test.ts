// docs/kubernetes.md names lines of files: [`text`](../file#L7) is the first line with that text.
import { expect, it } from 'vitest';
import { read } from './compose.ts';

const document = read('docs/kubernetes.md');

function lineOf(file: string, text: string): number {
  const lines = read(file).split('\n');
  const index = lines.findIndex((line) => line.includes(text));
  if (index === -1) throw new Error(`${file} has no line with ${text}`);
  return index + 1;
}

// `npx vitest run --project kubernetes --update` corrects the numbers.
it('docs/kubernetes.md has the right line numbers', async () => {
  const links = /\[`([^`]+)`\]\(\.\.\/([^)#]+)#L\d+\)/g;
  const correct = document.replaceAll(links, (_, text: string, file: string) => {
    return `[\`${text}\`](../${file}#L${String(lineOf(file, text))})`;
  });
  await expect(correct).toMatchFileSnapshot('../../docs/kubernetes.md');
});

it('the quick start has at most six commands, and the workflow runs them', () => {
  const [, block = ''] = /^## Quick start[^]*?```bash\n([^]*?)```/m.exec(document) ?? [];
  const commands = block.trim().split('\n');
  expect(commands.length).toBeLessThanOrEqual(6);
  expect(commands.pop()).toContain('port-forward');
  const workflow = read('.github/workflows/kubernetes.yml');
  for (const command of commands) expect(workflow).toContain(`- run: ${command}\n`);
});
