#!/usr/bin/env bash
# Restores a backup into the running stack. The API keeps working, but answers 503 during the swap.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore.sh FILE [--yes] [--database NAME] [--drop-kept]
       scripts/restore.sh --drop-kept [--database NAME]

Checks FILE (a dump made by scripts/backup.sh, scripts/restore-to-time.sh or pg_dump -Fc), restores
it into a new database, compares every table with FILE.sums if that exists, and then swaps the two
databases in one step. Until then the present database stays in use and is not changed. The replaced
one is kept as NAME_before_restore_TIME: only it has what was written after the backup.

--yes            replace the database even if it has rows
--database NAME  the database to replace (default: POSTGRES_DB of the stack)
--drop-kept      drop the databases that this run and earlier ones have replaced and kept

Exit codes: 0 good, 1 failed (the database is as it was, unless the message says otherwise), 2 wrong
usage
TEXT
}
say() { echo "restore: $*" >&2; }

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

readonly max_wal_size=$((1 << 30)) # PostgreSQL's default

file='' yes=no database='' drop_kept=no
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=yes ;;
    --drop-kept) drop_kept=yes ;;
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
      [ -n "$1" ] || wrong 'FILE is empty'
      [ -z "$file" ] || wrong 'more than one FILE'
      file=$1
      ;;
  esac
  shift
done
[ -n "$file" ] || [ "$yes$drop_kept" = noyes ] || wrong 'FILE is missing'
[ -z "$file" ] || [[ $file = /* ]] || file=$caller/$file
need docker sha256sum
exec </dev/null # nothing below may read from the terminal

# --- The file ------------------------------------------------------------------------------------
check_file() { # without the database
  [[ $file != *.part ]] \
    || fail "$file is unfinished: the backup was interrupted. Use an earlier one"
  [[ -f $file && -r $file ]] || fail "$file is not there or cannot be read"
  [ "$(head -c 5 "$file" | tr -d '\0')" = PGDMP ] \
    || fail "$file is not a dump in custom format (pg_dump -Fc)"
  if [ ! -e "$file.sha256" ]; then
    say "there is no $file.sha256, so only the restore itself can tell whether the file is whole"
  elif ! is_intact "$file"; then
    fail "$file is damaged: it or its .sums does not match the .sha256. Use another backup"
  fi
}

check_contents() {
  local contents of
  contents=$(db pg_restore --list <"$file") \
    || fail "$file is damaged: its table of contents cannot be read"
  of=$(sed -n 's/^; *dbname: //p' <<<"$contents")
  [ "$of" = "$database" ] || fail "$file is a backup of the database $of, not of $database"
}

# --- The present database ------------------------------------------------------------------------
allow_connections() { # allow_connections DATABASE
  sql postgres -v name="$1" <<<'ALTER DATABASE :"name" ALLOW_CONNECTIONS true;'
}

# Prints the names of the tables that have rows.
tables_with_rows() {
  sql "$database" <<'SQL'
SELECT format('SELECT %L FROM (SELECT FROM %I.%I LIMIT 1)', tablename, schemaname, tablename)
FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'dbmate')
\gexec
SQL
}

check_database() {
  local rows
  # An interrupted swap leaves a database that refuses connections.
  allow_connections "$database" || fail "there is no database $database to replace"
  check_contents
  rows=$(tables_with_rows) || fail "cannot read the database $database, see above"
  if [ -n "$rows" ] && [ "$yes" = no ]; then
    fail "$database has rows (${rows//$'\n'/ }), which the restore would replace." \
      'Add --yes if that is meant'
  fi
}

# Sets pending: whether the backup lacks some of db/migrations. If so, checks before the restore
# that the service migrate works.
check_migrations() {
  local had version
  had=$(db pg_restore --data-only --schema=dbmate --file - <"$file") \
    || fail "$file is damaged, see above"
  pending=no
  for version in db/migrations/[0-9]*.sql; do
    version=${version##*/}
    grep -qx "${version%%[!0-9]*}" <<<"$had" || pending=yes
  done
  if [ "$pending" = yes ]; then
    docker compose run --rm --no-TTY migrate status >/dev/null 9>&- \
      || fail "$file lacks migrations, which cannot be run, see above. $database is as it was"
  fi
}

# A restored table takes about three times the bytes of its rows in SQL: for each row there is a
# header, and an entry in each index. The log takes nearly as much again, up to max_wal_size.
check_space() {
  local sql_bytes needed free
  sql_bytes=$(db pg_restore --file - <"$file" | wc -c) || fail "$file is damaged, see above"
  needed=$((3 * sql_bytes))
  needed=$((needed + (needed < max_wal_size ? needed : max_wal_size)))
  free=$(db df -Pk "$(sql postgres -c 'SHOW data_directory')" | awk 'NR == 2 { print $4 }')
  free=$((free * 1024))
  if [ "$free" -lt "$needed" ]; then
    fail "the restore needs about $((needed / 1048576)) MB, and $((free / 1048576)) MB are free" \
      "where the database is. $database is as it was. To drop what earlier restores have kept:" \
      "scripts/restore.sh --drop-kept --database $database"
  fi
}

# --- The databases that earlier runs have kept ---------------------------------------------------
drop_kept() {
  local name names
  local query="SELECT datname FROM pg_database WHERE left(datname, length(:'start')) = :'start'"
  names=$(sql postgres -v start="${short}_before_restore_" <<<"$query") || return
  for name in $names; do
    db dropdb --force -U "$owner" "$name" || return
    say "dropped $name"
  done
}

[ -z "$file" ] || check_file
find_db
short=${database:0:30} # PostgreSQL cuts names after 63 bytes
if [ -z "$file" ]; then
  drop_kept || fail 'not all could be dropped, see above'
  exit
fi
check_database
check_migrations
check_space

# --- The new database ----------------------------------------------------------------------------
new=${short}_restore_${UID}_$$
old=${short}_before_restore_$(date -u +%Y%m%dT%H%M%SZ)
swapping=no
finish() {
  local status=$?
  if [ "$swapping" = yes ]; then allow_connections "$database" || true; fi
  db dropdb --force --if-exists -U "$owner" "$new" 2>/dev/null \
    || say "cannot drop $new; the next run will"
  [ "$status" -eq 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Drops the databases that killed runs of this user have left: kill -0 cannot tell whether another
# user's process is running.
drop_leftovers() {
  local name query="SELECT datname FROM pg_database WHERE datname ~ :'like'"
  for name in $(sql postgres -v like="^${short}_restore_${UID}_[0-9]+\$" <<<"$query"); do
    kill -0 "${name##*_}" 2>/dev/null || db dropdb --force --if-exists -U "$owner" "$name"
  done
}

tables_named_tasks() {
  sql "$new" -c \
    "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 'tasks'"
}

# Adds what the backup is too old to have, and moves its id sequence past all rows.
migrate() {
  sql "$new" <db/repair.sql || return
  [ "$pending" = no ] || docker compose run --rm --no-TTY --env "PGDATABASE=$new" migrate >&2 9>&-
}

make_new() {
  local roles
  say "restoring into the new database $new"
  db createdb --template=template0 -U "$owner" "$new" || fail "cannot create $new, see above"
  # Makes the API's login, its rights, and the mark that the health check looks for. This comes
  # before the tables, so that the default privileges apply to them. The passwords are kept: those
  # in the container's environment may be older than the last run of scripts/rotate-password.sh.
  roles=$(db bash -s -- --print --keep-password <db/init/04_roles.sh) \
    || fail 'db/init/04_roles.sh failed, see above'
  sql "$new" <<<"$roles" || fail 'the roles could not be set, see above'
  db pg_restore --exit-on-error --no-owner -U "$owner" -d "$new" <"$file" \
    || fail "$file cannot be restored, see above. $database is as it was"
  [ "$(tables_named_tasks)" = 1 ] \
    || fail "$file has no table tasks: it is not a backup of this application"
  if [ -e "$file.sums" ]; then compare_tables "$new" "$file"; fi
  migrate || fail "the backup could not be migrated, see above. $database is as it was"
  say 'computing the statistics for the planner'
  sql "$new" -c 'VACUUM ANALYZE'
}

# --- The swap ------------------------------------------------------------------------------------
# The API reconnects at once, so new connections are refused until both names have changed.
rename_both() {
  sql postgres -v name="$database" -v new="$new" -v old="$old" >/dev/null <<'SQL'
ALTER DATABASE :"name" ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :'name';
BEGIN;
ALTER DATABASE :"name" RENAME TO :"old";
ALTER DATABASE :"new" RENAME TO :"name";
COMMIT;
SQL
}

# Succeeds if the swap has happened after all: the server may stop before it can say so. Ends the
# script if that cannot be found out.
is_swapped() {
  local deadline=$((SECONDS + 60)) found
  local query="SELECT count(*) FROM pg_database WHERE datname = :'old'"
  until found=$(sql postgres -v old="$old" <<<"$query" 2>/dev/null); do
    [ $SECONDS -lt $deadline ] \
      || fail "the database does not answer, so whether it was replaced is unknown: it was, if" \
        "there is a database $old"
    sleep 1
  done
  [ "$found" = 1 ]
}

drop_leftovers
make_new
say "swapping $database"
swapping=yes
rename_both || is_swapped || fail "the swap failed, see above. $database is as it was"
swapping=no

result="$database now has the contents of $file"
if [ "$drop_kept" = yes ]; then
  drop_kept || fail "$result, but a database that was kept could not be dropped, see above"
  echo "restore: $result; what it replaced is dropped"
else
  allow_connections "$old" || fail "$result. The replaced one, $old, refuses connections, see above"
  echo "restore: $result; the replaced database is kept as $old, until" \
    "scripts/restore.sh --drop-kept --database $database"
fi
