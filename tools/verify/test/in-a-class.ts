// Prints what a class makes of the translation that VERIFY_TEXTS names.
import { environment } from '../class/environment.ts';
import { scoreOf } from '../class/score.ts';
import { fingerprintOf } from '../class/submissions.ts';
import { verdictsWithout } from '../class/judgement.ts';
import { checks } from '../checks/all.ts';

const [directory = '', reason = ''] = process.argv.slice(2);
const blocked = verdictsWithout(reason, false).map((verdict) => ({
  ...verdict,
  outcome: 'skipped' as const,
}));
const points = new Map<string, number>(checks.map(({ id }) => [id, 1]));
const seen = {
  counted: scoreOf(blocked, points).of > 0,
  file: environment(process.env, directory).VERIFY_TEXTS,
  fingerprint: fingerprintOf(directory, ''),
};
process.stdout.write(JSON.stringify(seen));
