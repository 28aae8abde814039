#!/bin/sh
# The command of the service migrate: runs the files of db/migrations that the database has not had.
# dbmate does that; this script adds what dbmate lacks: a lock against a second run, and retries.
# With --again, runs all files, as if none had run before. With other arguments, runs that command
# of dbmate instead, for example `status`.
# Exit codes: 0 all have run, 1 failed, 3 another run is under way
set -eu

if [ -n "${PGPASSWORD_FILE:-}" ]; then
  PGPASSWORD=$(cat "$PGPASSWORD_FILE")
  export PGPASSWORD
fi
again=false
if [ "${1:-}" = --again ]; then
  again=true
  shift
fi
[ $# = 0 ] || exec dbmate "$@"

# psql holds the lock until its session ends, and runs dbmate within that session.
migrate() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set VERBOSITY=terse --set again="$again" \
    "$DATABASE_URL" <<'SQL'
DO $$
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('taskapp schema')) THEN
        RAISE EXCEPTION 'another run is under way';
    END IF;
END
$$;
SET lock_timeout = '500ms';
\i /db/repair.sql
\if :again
DROP SCHEMA IF EXISTS dbmate CASCADE;
\endif
\! dbmate migrate </dev/null
\if :SHELL_ERROR
DO $$ BEGIN RAISE EXCEPTION 'stopped'; END $$;
\endif
SQL
}

# A file may set a shorter lock_timeout. The second setting makes the server end a statement soon
# after this container has ended.
export PGOPTIONS='-c lock_timeout=10min -c client_connection_check_interval=5s'
errors=/tmp/errors
started=$(date +%s)
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  if migrate 2>"$errors"; then
    echo 'migrate: all migrations have run'
    exit 0
  fi
  case $(cat "$errors") in
    *'another run is under way'*)
      echo 'migrate: another run is under way; wait for it' \
        '(the database has its lock in pg_locks, with locktype advisory)' >&2
      exit 3
      ;;
    *'could not translate host name'* | *'Connection refused'* | *'the database system is'*)
      why='the database does not answer'
      ;;
    *'is still being built'*) why='an index is still being built' ;;
    *'lock timeout'*)
      why='a lock was not free'
      [ $(($(date +%s) - started)) -lt 600 ] || break
      ;;
    *)
      cat "$errors" >&2
      echo 'migrate: stopped at the error above; the migrations before it have run' >&2
      exit 1
      ;;
  esac
  echo "migrate: $why (attempt $attempt of 20); trying again" >&2
  sleep 1
done
case $why in
  *answer)
    cat "$errors"
    echo 'migrate: start the database, then run this again'
    ;;
  *built) echo 'migrate: an index is still being built; pg_stat_progress_create_index shows it' ;;
  *)
    echo 'migrate: a lock was never free. To find the transaction that holds it:' \
      'SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start'
    ;;
esac >&2
exit 1
