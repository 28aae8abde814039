import pg from 'pg';

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 2000,
});
pool.on('error', (error) => console.error(`idle connection: ${error.message}`));
