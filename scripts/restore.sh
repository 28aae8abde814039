#!/usr/bin/env bash
# Brings a backup into the running stack. The API goes on working; it answers 503 for the moment of the swap.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore.sh FILE [--yes] [--database NAME] [--keep-old]

Checks FILE (a dump made by scripts/backup.sh, scripts/restore-to-time.sh or pg_dump -Fc), restores it into a new
database, compares every table with FILE.sums where that exists, and then swaps the two databases in one step. Until
then the present database is in use and untouched. What was written to it after the backup is lost.

--yes            replace a database that has rows
--database NAME  the database to replace (default: POSTGRES_DB of the stack)
--keep-old       keep the replaced database as NAME_before_restore_TIME; by default it is dropped after the swap

Exit code: 0 good, 1 failed (the database is as it was), 2 wrong usage
TEXT
}
fail() {
  echo "restore: $*" >&2
  exit 1
}
wrong() {
  echo "restore: $* (see --help)" >&2
  exit 2
}
say() { echo "restore: $*" >&2; }

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

file='' yes=no database='' keep_old=no
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=yes ;;
    --keep-old) keep_old=yes ;;
    --database)
      database=${2:-}
      [ -n "$database" ] || wrong '--database needs a value'
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) wrong "unknown argument $1" ;;
    *)
      [ -z "$file" ] || wrong 'more than one FILE'
      file=$1
      ;;
  esac
  shift
done
[ -n "$file" ] || wrong 'FILE is missing'
[[ $file = /* ]] || file=$caller/$file
need docker sha256sum
exec </dev/null # nothing below may read from the terminal

# First what can be seen without the database.
[[ $file != *.part ]] || fail "$file is unfinished: the backup was interrupted. Take an earlier one"
[[ -f $file && -r $file ]] || fail "$file is not there or cannot be read"
[ "$(head -c 5 "$file" | tr -d '\0')" = PGDMP ] || fail "$file is not a dump in custom format (pg_dump -Fc)"
if [ -e "$file.sha256" ]; then
  (cd "$(dirname "$file")" && sha256sum -c "${file##*/}.sha256" >/dev/null 2>&1) \
    || fail "$file is damaged: it or its .sums do not fit the .sha256. Take another backup"
else
  say "there is no $file.sha256, so only the restore itself can tell whether the file is whole"
fi

container=$(docker compose ps --quiet db) || fail 'docker compose failed, see above'
[ -n "$container" ] || fail "the database is not running: $as_typed up -d --wait db"
db() { docker exec -i "$container" "$@"; }
owner=$(db printenv POSTGRES_USER) \
  || fail "$(refusal_of_db 'cannot run commands in the container of db')"
[ -n "$database" ] || database=$(db printenv POSTGRES_DB)
sql() { db psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 -U "$owner" -d "$@"; }

# If the last run was interrupted in the swap, nobody can connect.
sql postgres -v name="$database" <<<'ALTER DATABASE :"name" ALLOW_CONNECTIONS true;' || fail "there is no database $database to replace"
contents=$(db pg_restore --list <"$file") || fail "$file is damaged: its table of contents cannot be read"
of=$(sed -n 's/^; *dbname: //p' <<<"$contents")
[ "$of" = "$database" ] || fail "$file is a backup of the database $of, not of $database"

rows=$(
  sql "$database" <<'SQL'
SELECT format('SELECT %L FROM (SELECT FROM %I.%I LIMIT 1)', tablename, schemaname, tablename)
FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
\gexec
SQL
) || fail "cannot read the database $database, see above"
if [ -n "$rows" ] && [ "$yes" = no ]; then
  fail "$database has rows (${rows//$'\n'/ }), which the restore would replace. Add --yes if that is meant"
fi

# Names of databases end after 63 bytes.
new=${database:0:30}_restore_$$ old=${database:0:30}_before_restore_$(date -u +%Y%m%dT%H%M%SZ)
swapping=no
finish() {
  local status=$?
  if [ "$swapping" = yes ]; then
    sql postgres -v name="$database" <<<'ALTER DATABASE :"name" ALLOW_CONNECTIONS true;' || true
  fi
  db dropdb --force --if-exists -U "$owner" "$new" 2>/dev/null || say "cannot drop $new, the next run will"
  [ "$status" -eq 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
for name in $(sql postgres -v like="^${database:0:30}_restore_[0-9]+\$" <<<"SELECT datname FROM pg_database WHERE datname ~ :'like'"); do
  kill -0 "${name##*_}" 2>/dev/null || db dropdb --force --if-exists -U "$owner" "$name" # left by a run that was killed
done

say "restoring into the new database $new"
db createdb --template=template0 -U "$owner" "$new" || fail "cannot create $new, see above"
# The API's login, its rights, and the mark that the health check looks for. Before the tables: default privileges.
# Without the password: that of the container may be older than scripts/rotate-password.sh.
roles=$(db bash -s -- --print --keep-password <db/init/04_roles.sh) || fail 'db/init/04_roles.sh failed, see above'
sql "$new" <<<"$roles" || fail 'the roles could not be set, see above'
db pg_restore --exit-on-error --no-owner -U "$owner" -d "$new" <"$file" || fail "$file cannot be restored, see above. $database is as it was"
[ "$(sql "$new" -c "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 'tasks'")" = 1 ] \
  || fail "$file has no table tasks: it is not a backup of this application"
if [ -e "$file.sums" ]; then
  sums=$(sql "$new" <scripts/table-sums.sql) || fail 'cannot read the restored tables, see above'
  diff "$file.sums" - <<<"$sums" >&2 || fail 'the restored tables differ from the backup, see above (name|rows|checksum)'
fi
# What the backup is too old to have.
sql "$new" <<<"SET client_min_messages = warning;"$'\n'"$(cat db/init/01_schema.sql db/init/02_indexes.sql)" >/dev/null || fail 'db/init could not be applied, see above'
say 'computing the statistics of the planner'
sql "$new" -c 'VACUUM ANALYZE'

# The API connects again at once, so new connections are refused until both names have changed.
say "swapping $database"
swapping=yes
sql postgres -v name="$database" -v new="$new" -v old="$old" >/dev/null <<'SQL' || fail "the swap failed, see above. $database is as it was"
ALTER DATABASE :"name" ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :'name';
BEGIN;
ALTER DATABASE :"name" RENAME TO :"old";
ALTER DATABASE :"new" RENAME TO :"name";
COMMIT;
SQL
swapping=no

if [ "$keep_old" = yes ]; then
  sql postgres -v old="$old" <<<'ALTER DATABASE :"old" ALLOW_CONNECTIONS true;'
  kept="the replaced one is kept as $old"
else
  db dropdb --force -U "$owner" "$old"
  kept='the replaced one is dropped'
fi
echo "restore: $database is now $file; $kept"
