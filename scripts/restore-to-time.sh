#!/usr/bin/env bash
# Writes a dump of the database as it was at a given time, recovered from the archive of Barman
# (db/compose.pitr.yml).
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/restore-to-time.sh TIME | latest | --name NAME  [--output FILE] [--system ID]
       scripts/restore-to-time.sh --list

Recovers a copy of the server in a container of its own and dumps the database to FILE; the running
stack is not touched. To restore FILE then:  scripts/restore.sh FILE --yes

TIME            UTC, as 2026-11-23T18:05:00.25Z or 2026-11-23 18:05:00.25: FILE has what was
                committed until then. latest is the end of the archive, for when the disk is lost
--name NAME     FILE has what was committed when SELECT pg_create_restore_point('NAME') last ran
--output FILE   default: backups/taskapp-at-TIME.dump, which scripts/backup.sh never removes
--system ID     the database to recover, if the archive has more than one
--list          lists the databases in the archive, and the base backups of each; a recovery can go
                to any time after one of them ended, unless the archive has a gap there

Exit codes: 0 good, 1 failed, 2 wrong usage
TEXT
}

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

target=() output='' system='' list=no
while [ $# -gt 0 ]; do
  case $1 in
    --output | --system | --name)
      [ -n "${2:-}" ] || wrong "$1 needs a value"
      case $1 in
        --output) output=$2 ;;
        --system) system=$2 ;;
        --name) target+=(name "$2") ;;
      esac
      shift
      ;;
    --list) list=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) wrong "unknown argument $1" ;;
    latest) target+=(latest '') ;;
    *)
      utc='^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00|\+00:00)?$'
      [[ $1 =~ $utc ]] \
        || wrong "TIME must be latest, or in UTC as 2026-11-23T18:05:00Z, not '$1'"
      time=${1%Z}
      target+=(time "${time%+00*}+00:00")
      ;;
  esac
  shift
done
need docker sha256sum
exec </dev/null

# This runs in a container of its own, so neither barman nor db has to be running.
archive() { docker compose --profile pitr run --rm --no-deps -T barman "$@"; }
docker compose --profile pitr config --services | grep -x barman >/dev/null \
  || fail 'this stack has no service barman: add db/compose.pitr.yml to the Compose files,' \
    'for example in COMPOSE_FILE'
if [ "$list" = yes ]; then
  archive list
  exit 0
fi

[ ${#target[@]} -eq 2 ] || wrong 'one of TIME, latest and --name is needed'
label=${target[1]%+00:00}
output=${output:-$PWD/backups/taskapp-at-$(tr -dc '0-9A-Za-z.' <<<"${label:-latest}").dump}
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
archive restore "${target[@]}" "$system" >"$output.part" || fail 'nothing was recovered, see above'
hash=$(sha256sum "$output.part")
echo "${hash%% *}  ${output##*/}" >"$output.sha256"
sync "$output.part" "$output.sha256"
mv "$output.part" "$output"
echo "restore-to-time: $output: $(($(wc -c <"$output"))) bytes." \
  "To restore it: scripts/restore.sh $output --yes"
