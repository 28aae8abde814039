// Prints what a class makes of the translation that VERIFY_TEXTS names.
import { environment } from '../class/environment.ts';
import { fingerprintOf } from '../class/submissions.ts';

const [directory = ''] = process.argv.slice(2);
const seen = {
  file: environment(process.env, directory).VERIFY_TEXTS,
  fingerprint: fingerprintOf(directory, ''),
};
process.stdout.write(JSON.stringify(seen));
