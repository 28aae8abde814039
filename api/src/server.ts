// The entry point: the only file here with side effects.
import { startApi } from './start.ts';

startApi();
