#!/usr/bin/env bash
# A drill: proves that the newest backup can be restored on a server that has nothing else.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore-test.sh [FILE] [--dir DIRECTORY] [--max-age-hours HOURS]

Restores the newest backup, or FILE, into a throw-away container without a network, compares every
table with FILE.sums, and inserts a row. The stack is not touched, and need not be running.

--dir DIRECTORY        where the backups are (default: backups/ of the repository)
--max-age-hours HOURS  fail if the newest backup is older, because then the backups have stopped
                       (default: 26)

Exit codes: 0 good, 1 failed, 2 wrong usage
TEXT
}
say() { if [ -t 2 ]; then echo "restore-test: $*" >&2; fi; }

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

file='' directory=$PWD/backups max_age=26
while [ $# -gt 0 ]; do
  case $1 in
    --dir | --max-age-hours)
      [ -n "${2:-}" ] || wrong "$1 needs a value"
      if [ "$1" = --dir ]; then directory=$2; else max_age=$2; fi
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
[[ $max_age =~ ^[1-9][0-9]{0,5}$ ]] \
  || wrong "--max-age-hours must be a whole number above 0, not $max_age"
[[ $directory = /* ]] || directory=$caller/$directory
need docker sha256sum
exec </dev/null

if [ -z "$file" ]; then
  file=$(newest_backup "$directory")
  [ -n "$file" ] || fail "there is no backup in $directory; scripts/backup.sh makes one"
  is_younger "$file" "$max_age" \
    || fail "the newest backup, $file, is older than $max_age hours:" \
      'see why scripts/backup.sh does not run'
else
  [[ $file = /* ]] || file=$caller/$file
  [ -r "$file" ] || fail "$file is not there or cannot be read"
fi
for needed in "$file.sha256" "$file.sums"; do
  [ -r "$needed" ] || fail "$needed is missing, so the backup cannot be checked"
done
is_intact "$file" || fail "$file is damaged: it does not match its .sha256"

started=$SECONDS
say "restoring $file into a container of its own"
# The image of deploy/ha makes no database by itself.
files=()
if docker compose config --services | grep -x etcd >/dev/null; then files=(--file compose.yml); fi
image=$(docker compose ${files[@]+"${files[@]}"} config --images db) \
  || fail 'docker compose failed, see above'
owner=restore_test database=restored
options=(--rm --name "taskapp-restore-test-$$" --network none --memory 1g)
options+=(--env "POSTGRES_USER=$owner" --env "POSTGRES_DB=$database")
options+=(--env "POSTGRES_PASSWORD=$(head -c 16 /dev/urandom | base64)")
initdb='--data-checksums --locale-provider=builtin --builtin-locale=C.UTF-8' # as in compose.yml
options+=(--env "POSTGRES_INITDB_ARGS=$initdb")
# The data is in an anonymous volume, which --rm removes.
container=$(docker run --detach "${options[@]}" "$image") \
  || fail "cannot start a container of $image"
finish() {
  local status=$?
  docker rm --force --volumes "$container" >/dev/null 2>&1 || true
  [ "$status" -eq 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Over TCP: during its first start the server listens on its socket only.
deadline=$((SECONDS + 120))
until docker exec "$container" pg_isready -q -h 127.0.0.1; do
  [ $SECONDS -lt $deadline ] \
    || fail "the server did not start: $(docker logs --tail 5 "$container" 2>&1)"
  sleep 0.5
done

# Without the rights: the other logins belong to the server, not to the backup, and
# db/init/04_roles.sh makes them.
db pg_restore --exit-on-error --no-owner --no-privileges -U "$owner" -d "$database" <"$file" \
  || fail "$file cannot be restored, see above"
compare_tables "$database" "$file"
# Fails if the sequence of the ids is behind the rows.
sql "$database" -c "INSERT INTO tasks (title) VALUES ('restore test')" \
  || fail 'a restored database does not take a new row, see above'
echo "restore-test: $file is good: restored in $((SECONDS - started)) s, every table is equal," \
  "and a new row was accepted"
