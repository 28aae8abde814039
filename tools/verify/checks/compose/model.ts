import { type Check, snippet } from '../../check.ts';
import { composeModel } from '../../compose.ts';
import { faultsOfAttempt } from '../../errors.ts';
import { tiers } from '../../model.ts';

export const check: Check = {
  id: 'compose.model',
  title: 'docker compose can read the files, and they define the services web, api and db',
  chapter: 'Compose basics',
  points: 2,
  why: 'The other checks look at the model that Compose makes of these files.',
  fix: snippet`
    docker compose config --quiet    # names the line at fault
    cp .env.example .env             # if .env is missing
    services:
      web: …
      api: …
      db: …
  `,
  async run(project) {
    const faults = await faultsOfAttempt(composeModel(project));
    if (faults.length > 0) return faults;
    const { services } = await composeModel(project);
    const names = Object.keys(services).join(', ');
    const missing = tiers.filter((name) => !(name in services));
    return missing.map((name) => `there is no service ${name}, only ${names}`);
  },
};
