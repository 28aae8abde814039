#!/usr/bin/env bash
# Brings a live database to the schema of db/init without blocking the API.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/apply-schema.sh

Runs the files of db/init, as they are in the working tree, on the running database. They can be run
any number of times, and keep what exists. The seed data and the API's password are left out (for
the password: scripts/rotate-password.sh).

The API keeps working meanwhile:
- A statement waits at most half a second for a lock, because queries would queue behind it. If it
  does not get the lock, everything is tried again.
- Indexes are built CONCURRENTLY, which lets others write. What an interrupted build has left is
  removed first.
  For this, write each index in db/init as CREATE INDEX IF NOT EXISTS, at the start of a line.

If rows were imported with their ids, the sequence of the ids is set past them.

To add a column, put this into 01_schema.sql, after the table:
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS …;

Exit codes: 0 applied, 1 failed, 2 wrong usage, 3 another run of this script is under way
TEXT
}

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

case ${1:-} in
  '') ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) misused ;;
esac
need docker

# without_blocking FILE: its statements. CREATE INDEX CONCURRENTLY cannot run in a transaction, so a
# file with indexes loses its BEGIN and COMMIT.
without_blocking() {
  if ! grep -qE '^CREATE (UNIQUE )?INDEX IF NOT EXISTS' "$1"; then
    cat "$1"
    return
  fi
  cat <<'SQL'
SELECT format('DROP INDEX CONCURRENTLY %s', indexrelid::regclass)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisvalid AND relnamespace = 'public'::regnamespace \gexec
-- A concurrent build waits for older transactions to end, and nobody queues behind it.
SET lock_timeout = '10min';
SQL
  sed -E -e '/^(BEGIN|COMMIT);$/d' \
    -e 's/^(CREATE (UNIQUE )?INDEX) IF NOT EXISTS/\1 CONCURRENTLY IF NOT EXISTS/' "$1"
}

begin_file() { # begin_file FILE
  printf "\n\\\\echo 'apply-schema: %s'\nSET lock_timeout = '500ms';\n" "$1"
}

statements() {
  local file
  cat <<'SQL'
SET client_min_messages = warning; -- "already exists" is expected
DO $$
BEGIN
    IF NOT pg_try_advisory_lock(hashtext('taskapp schema')) THEN
        RAISE EXCEPTION 'another schema change is under way';
    END IF;
END
$$;
SQL
  for file in db/init/*.sql; do
    case $file in *_seed_data.sql) continue ;; esac
    begin_file "$file"
    without_blocking "$file"
  done
  begin_file db/init/04_roles.sh
  printf '%s\n' "$roles_sql"
}

# shellcheck disable=SC2016 # variables of the container
run_in_db() {
  docker compose exec -T db sh -c \
    'exec psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
}

# Runs the script of the working tree in the container, and keeps the passwords: those in the
# container's environment may be older than the last run of scripts/rotate-password.sh.
roles_sql=$(docker compose exec -T db bash -s -- --print --keep-password <db/init/04_roles.sh) \
  || fail 'db/init/04_roles.sh failed in the container of db; see docker compose ps db'
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
for attempt in {1..20}; do
  if statements | run_in_db 2>"$errors"; then
    echo 'apply-schema: the database has the schema of db/init'
    exit 0
  fi
  case $(<"$errors") in
    *'another schema change is under way'*)
      echo 'apply-schema: another run is under way; wait for it' \
        '(the database has its lock in pg_locks, with locktype advisory)' >&2
      exit 3
      ;;
    *'lock timeout'*)
      echo 'apply-schema: a lock was not free within half a second' \
        "(attempt $attempt of 20); trying again" >&2
      sleep 1
      ;;
    *)
      cat "$errors" >&2
      fail 'stopped at the error above; the statements before it are applied.' \
        'Fix the file, then run this again'
      ;;
  esac
done
fail 'a lock was never free. To find the transaction that holds it:' \
  'SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start'
