// The alerts of production are those of monitoring/alerts. Needs no engine.
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { read } from './compose.ts';
import { kubectlFault } from '../lib/kubectl.ts';
import { build, find } from './objects.ts';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { runbook: string };
}

describe.skipIf(kubectlFault())('the alerts', () => {
  const rulesIn = (groups: { name: string; rules?: unknown }[]) =>
    groups.flatMap(({ rules }) => rules as Rule[]);
  const names = ['backups', 'database', 'delivery', 'edge', 'host', 'tiers'];
  const ofCompose = names.flatMap((name) =>
    rulesIn((parse(read(`monitoring/alerts/${name}.yml`)) as { groups: [] }).groups),
  );
  const { spec } = kubectlFault()
    ? { spec: { groups: [] } }
    : find(build('production'), 'PrometheusRule', 'taskapp');
  const ofKubernetes = rulesIn(spec.groups ?? []);
  const isOwn = ({ alert }: Rule) => alert.startsWith('Database');
  const tight = (text: string) =>
    text
      .trim()
      .replaceAll(/\s+/g, ' ')
      .replaceAll(/(?<=[([]) | (?=[)\]])/g, '');

  it('are those of Compose, for this namespace', () => {
    for (const { alert, expr, for: after, labels, annotations } of ofKubernetes) {
      const same = ofCompose.find((rule) => rule.alert === alert);
      if (alert.startsWith('Database')) continue;
      const anywhere = expr.replaceAll(/\{namespace="taskapp"(?:\}|,)/g, (found) =>
        found.endsWith(',') ? '{' : '',
      );
      expect({ alert, expr: tight(anywhere), for: after, severity: labels.severity }).toEqual({
        alert,
        expr: tight(same?.expr ?? ''),
        for: same?.for,
        severity: same?.labels.severity,
      });
      expect(annotations.runbook).toBe(same?.annotations.runbook);
    }
  });

  it('name the namespace in each selector', () => {
    const metrics = /\b(?:up|[a-z]+(?:_[a-z]+)+)\b(?=[{[ )]|$)(?!\()/g;
    const words = ['histogram_quantile', 'min_over_time', 'by_le'];
    for (const { expr } of ofKubernetes) {
      const selectors = [...expr.matchAll(metrics)].filter(([name]) => !words.includes(name));
      expect(selectors.length).toBeGreaterThan(0);
      for (const { 0: name, index } of selectors)
        expect(expr.slice(index)).toMatch(new RegExp(`^${name}\\{namespace="taskapp"[,}]`));
    }
  });

  it('leave out only what docs/kubernetes.md lists', () => {
    const present = new Set(ofKubernetes.map(({ alert }) => alert));
    const left = ofCompose.map(({ alert }) => alert).filter((alert) => !present.has(alert));
    const [, list = ''] = /^Left out: ([^]*?)\n\n/m.exec(read('docs/kubernetes.md')) ?? [];
    const listed = [...list.matchAll(/`(\w+)`/g)].map(([, alert]) => alert);
    expect(new Set(listed)).toEqual(new Set(left));
  });

  it('have a section that says what to do', () => {
    for (const { annotations } of ofKubernetes.filter(isOwn)) {
      const [file = '', anchor = ''] = annotations.runbook.split('#');
      const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      expect(headings).toContain(anchor);
    }
  });
});
