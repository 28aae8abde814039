import { type Check, snippet } from '../../check.ts';
import { request } from '../../web.ts';

export const check: Check = {
  id: 'health.healthz',
  title: 'GET /healthz returns 200 and {"status":"healthy"}',
  chapter: 'Health checks',
  points: 2,
  why: 'It proves that all three tiers work: nginx, the API and the database.',
  fix: snippet`
    @app.get("/healthz")
    def healthz():
        try:
            conn = get_db_connection()    # as your other routes connect
            conn.cursor().execute("SELECT 1 FROM tasks LIMIT 1")
            conn.close()
        except psycopg2.Error:
            return jsonify(status="unhealthy"), 503
        return jsonify(status="healthy")
  `,
  async run(project) {
    const { status, json, text } = await request(project, '/healthz');
    const said = (json as { status?: unknown } | null | undefined)?.status;
    const isOk = status === 200 && typeof said === 'string' && /^(healthy|ok|up)$/i.test(said);
    return isOk ? [] : [`${status} ${text.slice(0, 60)}`];
  },
};
