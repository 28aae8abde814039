#!/usr/bin/env bash
# Runs a command and records for the alerts how it ended.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/record-run.sh NAME COMMAND [ARGUMENT...]

Runs COMMAND and ends with its exit code. The code goes into run-NAME.prom, and the time of a
success into run-NAME-success.prom, for the alerts RunFailed, RunTooOld and DrillTooOld. The systemd
units use it.

Environment: METRICS_DIR  where these files are (default: monitoring/textfile)

Exit codes: that of COMMAND; 2 wrong usage
TEXT
}
case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
esac
if ! [[ ${1:-} =~ ^[a-z-]+$ ]] || [ $# -lt 2 ]; then
  usage >&2
  exit 2
fi

name=$1
shift
directory=${METRICS_DIR:-$(dirname "$0")/../monitoring/textfile}

# write FILE: writes standard input to it in one step, readable for node_exporter.
write() {
  local part=$directory/$1.part
  if ! { cat >"$part" && chmod 644 "$part" && mv "$part" "$directory/$1"; }; then
    echo "record-run: cannot write $directory/$1" >&2
  fi
}

# An empty handler, because COMMAND would inherit ignored signals. bash runs it after COMMAND ends.
trap : HUP INT TERM
status=0
"$@" || status=$?

write "run-$name.prom" <<TEXT
taskapp_run_exit_code{run="$name"} $status
TEXT
if [ "$status" = 0 ]; then
  write "run-$name-success.prom" <<TEXT
taskapp_run_last_success_timestamp_seconds{run="$name"} $(date +%s)
TEXT
fi
exit "$status"
