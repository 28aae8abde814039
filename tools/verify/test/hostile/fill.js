// Fills the disk, many files of one size.
import { writeFileSync } from 'node:fs';

const chunk = Buffer.alloc(16 * 1024 * 1024, 'x');
let n = 0;
setInterval(() => writeFileSync(`/tmp/fill-${n++}`, chunk), 100);
