// The entry point: the only file here that does anything when it is imported.
import { startApi } from './start.ts';

startApi();
