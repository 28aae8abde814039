import { pool } from '../db.js';

async function healthz() {
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    return { status: 503, body: { status: 'error', database: error.message } };
  }
  return { body: { status: 'ok', uptime: process.uptime() } };
}

export const health = [{ method: 'GET', path: /^\/healthz$/, run: healthz }];
