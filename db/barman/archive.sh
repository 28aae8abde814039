#!/usr/bin/env bash
# Runs Barman in the container of the service barman. The archive has a directory per database
# cluster, named after its system identifier. So a new database never touches the archive of a lost
# one, not even to remove what is too old.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: archive run | list | restore latest|time TIME|name NAME [SYSTEM]

run       until it is stopped, receives WAL, and makes and verifies a base backup per day
list      lists the base backups; a recovery can go to any time after one of them ended, unless the
          archive has a gap there
restore   recovers, and writes a dump of the database to standard output

Environment: PGHOST, PGUSER         how to reach the server, and its owner
             POSTGRES_DB            the database to dump
             RECOVERY_WINDOW_DAYS   how many days back a recovery can go (7)
TEXT
}

archive=/var/lib/barman
restore_log=/tmp/restore.log get_wal_log=/tmp/get-wal.log
failed=/tmp/base-backup-failed # when the last one failed; the next try is 15 minutes later
backup_job=''

say() { echo "archive: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# use SYSTEM: from here on, `barman … main` works on the archive of this cluster. The service has
# its configuration in /tmp/barman.conf, to which /etc/barman.conf is a link. Each other command has
# a file of its own.
use() {
  home=$archive/$1
  base_backup_done=$home/base-backup-done
  export home conf
  umask 077
  mkdir -p "$home"
  cat >"$conf" <<CONF
[barman]
barman_user = barman
barman_home = $home
log_level = WARNING

[main]
description = taskapp
; libpq takes the rest from PGHOST and PGUSER.
conninfo = dbname=postgres connect_timeout=5
streaming_conninfo = connect_timeout=5
backup_method = postgres
immediate_checkpoint = true
streaming_archiver = on
slot_name = barman
compression = gzip
retention_policy = RECOVERY WINDOW OF ${RECOVERY_WINDOW_DAYS:-7} DAYS
last_backup_maximum_age = 26 HOURS
CONF
}

barman() { command barman -c "$conf" "$@"; }

systems() { find "$archive" -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort; }

query() { PGCONNECT_TIMEOUT=5 psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 -d postgres -c "$1"; }

this_system() { query 'SELECT system_identifier FROM pg_control_system()'; }

# --- Receiving WAL -------------------------------------------------------------------------------
# Begins to receive WAL at the server's current position if there is no slot, or if the server has
# dropped WAL that the slot needs. A new base backup then ends the gap.
ensure_slot() {
  local status file
  status=$(query "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'barman'") \
    || return 1
  case $status in lost | '') ;; *) return 0 ;; esac
  say 'receiving WAL from here on, with a new slot'
  rm -f "$base_backup_done"
  barman receive-wal --stop main >/dev/null 2>&1 || true
  # Keep the newest file as it is. Nothing will complete it, because the server goes on with the
  # next one.
  query 'SELECT pg_switch_wal()' >/dev/null || return 1
  for file in "$home"/main/streaming/*.partial; do
    if [ -s "$file" ]; then mv "$file" "${file%.partial}"; fi
  done
  if [ -e "$home/main" ]; then barman archive-wal main; fi
  if [ "$status" = lost ]; then barman receive-wal --drop-slot main || return 1; fi
  barman receive-wal --create-slot main && barman receive-wal --reset main
}

# --- Base backups --------------------------------------------------------------------------------
# room_for KB: fails unless the archive's disk has that much free space and a tenth more.
room_for() {
  local free
  free=$(df -Pk "$archive" | awk 'NR == 2 { print $4 }')
  [ "$free" -gt $(($1 * 11 / 10)) ] \
    || {
      say "no room: $1 kB are needed and a tenth more, $free kB are free"
      return 1
    }
}

# A base backup begins once a WAL file is complete, and is usable once the WAL written during it is
# complete. An idle server would take long to complete a file.
complete_wal_file() { barman switch-wal --force --archive --archive-timeout 60 main; }

# Those that a stop has interrupted, also while they waited for the WAL of their time.
remove_unfinished() {
  local id unfinished='EMPTY|STARTED|FAILED|WAITING_FOR_WALS'
  for id in $(barman list-backups main | awk "/ - ($unfinished)/ { print \$2 }"); do
    barman delete main "$id" || say "cannot remove the unfinished base backup $id yet, see above"
  done
}

base_backup() {
  remove_unfinished
  room_for "$(query 'SELECT sum(pg_database_size(oid))::bigint / 1024 FROM pg_database')" \
    && complete_wal_file && barman backup main || return 1
  if complete_wal_file && barman check-backup main latest && barman verify-backup main latest; then
    touch "$base_backup_done"
  else
    barman delete main latest && say 'the base backup is damaged or incomplete, so it was removed'
    return 1
  fi
}

is_recent() { [ -n "$(find "$1" -mmin "-$2" 2>/dev/null)" ]; } # is_recent FILE MINUTES

# In the background, because receiving must go on meanwhile.
base_backup_if_due() {
  if kill -0 "$backup_job" 2>/dev/null; then return; fi
  if is_recent "$base_backup_done" 1440 || is_recent "$failed" 15; then return; fi
  (
    base_backup || {
      touch "$failed"
      say 'the base backup failed, see above; the next try is in 15 minutes'
    }
  ) &
  backup_job=$!
}

# For the alert BaseBackupTooOld. node_exporter must not read the archive itself.
write_metric() {
  local file=/metrics/base-backup.prom
  if ! [ -e "$base_backup_done" ]; then
    rm -f "$file"
    return
  fi
  printf 'taskapp_base_backup_last_success_timestamp_seconds %s\n' \
    "$(date -r "$base_backup_done" +%s)" >"$file.part" \
    && chmod 644 "$file.part" && mv "$file.part" "$file"
}

# --- The service ---------------------------------------------------------------------------------
check_version() {
  local server image
  server=$(query "SELECT current_setting('server_version_num')::int / 10000") || return 1
  image=$(postgres --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
  [ "$server" = "$image" ] \
    || fail "the server is PostgreSQL $server, but this image has $image: see DEBIAN_IMAGE in" \
      '.env.prod.example'
}

run() {
  local system now
  conf=/tmp/barman.conf
  system=$(this_system) || fail 'cannot reach the server'
  check_version
  use "$system"
  ln -sfn "$home" /tmp/archive # for the health check
  trap 'barman receive-wal --stop main >/dev/null 2>&1; exit 0' TERM INT
  # A recovery that was killed may have left a copy of the server.
  (if flock -n 8; then rm -rf "$archive/.restore"; fi) 8>"$archive/.restore.lock"
  while :; do
    # If the cluster is another one, this container ends, and the receiver with it: an archive must
    # never mix two clusters.
    if now=$(this_system 2>/dev/null); then
      [ "$now" = "$system" ] || fail 'this is another database than before; starting anew'
      ensure_slot || say 'cannot receive WAL, see above; trying again'
      barman cron || true
      base_backup_if_due
    fi
    write_metric || say 'cannot write to /metrics'
    sleep 20 &
    wait $! || true # the trap can interrupt a wait, but not a sleep
  done
}

# --- Recoveries ----------------------------------------------------------------------------------
list() {
  local system
  for system in $(systems); do
    use "$system"
    echo "system $system"
    barman list-backups main
  done
}

chosen_system() { # chosen_system [SYSTEM]: SYSTEM, or the only one
  local all=()
  mapfile -t all < <(systems)
  if [ -n "${1:-}" ]; then
    [ -d "$archive/$1" ] || fail "the archive has no database with the system identifier $1"
    echo "$1"
  elif [ ${#all[@]} -eq 1 ]; then
    echo "${all[0]}"
  elif [ ${#all[@]} -eq 0 ]; then
    fail 'the archive is empty'
  else
    list >&2
    fail 'the archive has more than one database, so name the one to recover: --system SYSTEM'
  fi
}

restore() { # restore latest '' [SYSTEM] | restore time|name VALUE [SYSTEM]
  local system backup backups=(auto) target=("--target-$1" "$2" --target-action promote)
  system=$(chosen_system "${3:-}") || exit 1
  use "$system"
  case $1 in
    latest) target=() ;;
    # Barman cannot tell which base backup precedes the restore point, so try one after the other.
    name) mapfile -t backups < <(barman list-backups --minimal main) ;;
  esac
  exec 8>"$archive/.restore.lock"
  flock -n 8 || fail 'another recovery is running'
  work=$archive/.restore
  rm -rf "$work" # left by a recovery that was killed
  trap 'pg_ctl -D "$work" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
  room_for "$(largest_base_backup)" || exit 1
  for backup in "${backups[@]}"; do
    if recover "$backup" "${target[@]}"; then
      say "recovered; $(last_commit || echo 'no transaction after the base backup')"
      # 8>&-: the lock ends with this script.
      pg_ctl -D "$work" -w -o '-c listen_addresses= -k /tmp' start >"$restore_log" 8>&-
      pg_dump --format=custom -h /tmp -d "$POSTGRES_DB"
      return
    fi
  done
  list >&2
  fail "the archive does not reach the $1 $2; use 'latest' to recover all of it:" \
    "$(last_commit || true)"
}

# recover BACKUP [OPTION...]: returns 1 if that base backup and the WAL do not lead to the target.
recover() {
  rm -rf "$work"
  barman restore --get-wal "${@:2}" main "$1" "$work" >&2 \
    || {
      list >&2
      fail 'Barman cannot recover this, see above'
    }
  say 'applying the WAL'
  # In single-user mode, the server recovers, and then ends.
  postgres --single -D "$work" -c hot_standby=off -c fsync=off \
    -c restore_command='archive get_wal %f %p' \
    postgres </dev/null >"$restore_log" 2>&1 && return
  grep -q 'recovery ended before configured recovery target' "$restore_log" && return 1
  cat "$restore_log" >&2
  cat "$get_wal_log" >&2 2>/dev/null || true
  fail 'the recovery failed, see above'
}

# get_wal FILE PATH: PostgreSQL runs this during a recovery. It takes an exit code of up to 125 for
# the end of the archive, and would accept an older state. So if a file cannot be read, or is
# missing although there are later ones, the exit code is higher, which ends the recovery.
get_wal() {
  local newest
  # --partial, because the newest changes are in a file that is not complete yet.
  if barman get-wal --partial main "$1" >"$2" 2>"$get_wal_log"; then return; fi
  newest=$(
    find "$home/main/wals" "$home/main/streaming" -type f -printf '%f\n' \
      | sed 's/\.partial$//' | grep -xE '[0-9A-F]{24}' | sort | tail -n 1
  )
  if ! [[ $1 =~ ^[0-9A-F]{24}$ ]] || [[ $1 > $newest ]]; then exit 1; fi
  say "the archive lacks the WAL file $1, or cannot read it, but has later ones." \
    'A recovery can go to a time before that, or after the next base backup' >>"$get_wal_log" 2>&1
  exit 255
}

largest_base_backup() { # in kB
  find "$home/main/base" -mindepth 1 -maxdepth 1 -exec du -sk {} + \
    | sort -n | awk 'END { print $1 + 0 }'
}

last_commit() { grep -o 'last completed transaction was at log time.*' "$restore_log"; }

shopt -s nullglob
conf=${conf:-/tmp/barman-$$.conf}
case ${1:-} in
  run | list | restore | get_wal) "$@" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
