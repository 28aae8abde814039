#!/usr/bin/env bash
# Writes a dump of the database as it was at a given time, recovered from the archive of the service
# wal (db/compose.pitr.yml).
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore-to-time.sh TIME|latest [--output FILE] [--stretch NAME]
       scripts/restore-to-time.sh --list

Recovers a copy of the server in a container of its own and dumps the database to FILE; the running
stack is not touched. To restore FILE then:  scripts/restore.sh FILE --yes

TIME            UTC, as 2026-11-23T18:05:00.25Z or 2026-11-23 18:05:00.25: FILE has what was
                committed until then. latest is the end of the archive, for when the disk is lost
--output FILE   default: backups/taskapp-at-TIME.dump, which scripts/backup.sh never removes
--stretch NAME  a part of the archive, from --list (default: the newest that begins before TIME).
                Use this with latest if a new database was started beside an old archive
--list          show the parts of the archive, and the first and last time that each covers

Exit codes: 0 good, 1 failed, 2 wrong usage
TEXT
}

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

time='' output='' stretch='' list=no
while [ $# -gt 0 ]; do
  case $1 in
    --output | --stretch)
      [ -n "${2:-}" ] || wrong "$1 needs a value"
      if [ "$1" = --output ]; then output=$2; else stretch=$2; fi
      shift
      ;;
    --list) list=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) wrong "unknown argument $1" ;;
    *)
      [ -z "$time" ] || wrong 'more than one TIME'
      time=$1
      ;;
  esac
  shift
done
need docker sha256sum
exec </dev/null

# The archive is a volume of wal. The commands on it run in another container of that service, so
# neither db nor wal has to be running.
wal() { docker compose --profile pitr run --rm --no-deps -T wal "$@"; }
docker compose --profile pitr config --services | grep -x wal >/dev/null \
  || fail 'this stack has no service wal: add db/compose.pitr.yml to the Compose files,' \
    'for example in COMPOSE_FILE'
if [ "$list" = yes ]; then
  wal list
  exit 0
fi

[[ $stretch =~ ^[0-9]*$ ]] || wrong '--stretch must be a name from --list'
if [ "$time" != latest ]; then
  utc='^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00|\+00:00)?$'
  [[ $time =~ $utc ]] \
    || wrong "TIME must be latest, or in UTC as 2026-11-23T18:05:00Z, not '$time'"
  time=${time%+*}
  time=${time//[!0-9.]/}
fi
output=${output:-$PWD/backups/taskapp-at-$time.dump}
[[ $output = /* ]] || output=$caller/$output
[ ! -e "$output" ] || fail "$output is there already"

umask 077
mkdir -p "$(dirname "$output")"
finish() {
  local status=$?
  rm -f "$output.part"
  [ "$status" -eq 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
wal restore "$time" "$stretch" >"$output.part" || fail 'nothing was recovered, see above'
hash=$(sha256sum "$output.part")
echo "${hash%% *}  ${output##*/}" >"$output.sha256"
sync "$output.part" "$output.sha256"
mv "$output.part" "$output"
echo "restore-to-time: $output: $(($(wc -c <"$output"))) bytes." \
  "To restore it: scripts/restore.sh $output --yes"
