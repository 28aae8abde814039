// The process. It is the only file here that does something when it is imported.
import { startApi } from './start.ts';

startApi();
