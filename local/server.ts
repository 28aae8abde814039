// What `npm start` runs: the API with the web page in front, on one port.
import { join } from 'node:path';
import { startApi } from '../api/src/start.ts';
import { webPage } from './page.ts';

startApi({ before: webPage(join(import.meta.dirname, '../nginx/html')) });
