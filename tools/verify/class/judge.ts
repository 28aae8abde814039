// Runs the checks on one submission, in a process of its own: a check that takes all the memory or
// never ends costs only this submission. Reads its orders from standard input.
import { text } from 'node:stream/consumers';
import { format } from '../report.ts';
import { verify } from '../run.ts';
import { FencedProject, type FencedOptions } from './fenced-project.ts';

export interface Orders extends FencedOptions {
  destructive: boolean;
}

const orders = JSON.parse(await text(process.stdin)) as Orders;
const report = await verify(new FencedProject(orders), { destructive: orders.destructive });
const document = format(report, { as: 'json', directory: orders.directory });
await new Promise((done) => process.stdout.write(document, done));
process.exit(0); // a service that hangs may keep a connection open
