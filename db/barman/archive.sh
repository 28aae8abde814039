#!/usr/bin/env bash
# Runs Barman in the container of the service barman. The archive has a directory per database
# cluster, named after its system identifier. So a new database never touches the archive of a lost
# one, not even to remove what is too old.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: archive run | list | restore latest|time TIME|name NAME [SYSTEM]

run       receives WAL, makes a base backup per day and verifies it, until it is stopped
list      the base backups; a recovery can go to any time after the end of one
restore   recovers, and writes a dump of the database to standard output

Environment: PGHOST, PGUSER         how to reach the server, and its owner
             POSTGRES_DB            the database to dump
             RECOVERY_WINDOW_DAYS   how many days back a recovery can go (7)
TEXT
}

archive=/var/lib/barman
restore_log=/tmp/restore.log
pause=900 # seconds until a failed base backup is tried again

say() { echo "archive: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# use SYSTEM: from here on, `barman … main` is about the archive of this cluster.
use() {
  home=$archive/$1
  base_backup_done=$home/base-backup-done
  umask 077
  mkdir -p "$home"
  cat >/tmp/barman.conf.new <<CONF
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
minimum_redundancy = 1
last_backup_maximum_age = 26 HOURS
CONF
  mv /tmp/barman.conf.new /tmp/barman.conf # where /etc/barman.conf leads
}

systems() { find "$archive" -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort; }

query() { PGCONNECT_TIMEOUT=5 psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 -d postgres -c "$1"; }

this_system() { query 'SELECT system_identifier FROM pg_control_system()'; }

# Begins to receive WAL at the server's current position if there is no slot, or if the server has
# dropped WAL that the slot needs. A new base backup then ends the gap.
ensure_slot() {
  local status file
  status=$(query "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'barman'") \
    || return 1
  case $status in lost | '') ;; *) return 0 ;; esac
  say 'receiving WAL from here on, with a new slot'
  barman receive-wal --stop main >/dev/null 2>&1 || true
  # The newest file counts as it is, because nothing will complete it.
  for file in "$home"/main/streaming/*.partial; do
    if [ -s "$file" ]; then mv "$file" "${file%.partial}"; fi
  done
  if [ -e "$home/main" ]; then barman archive-wal main; fi
  if [ "$status" = lost ]; then barman receive-wal --drop-slot main || return 1; fi
  barman receive-wal --create-slot main && barman receive-wal --reset main || return 1
  rm -f "$base_backup_done"
}

# room_for KB: fails unless the archive has that much room and a tenth more.
room_for() {
  local free
  free=$(df -Pk "$archive" | awk 'NR == 2 { print $4 }')
  [ "$free" -gt $(($1 * 11 / 10)) ] \
    || {
      say "no room: $1 kB are needed and a tenth more, $free kB are free"
      return 1
    }
}

# A base backup begins once a WAL file is complete, and is usable once the WAL of its time is. An
# idle server would not complete a file for long.
complete_wal_file() { barman switch-wal --force --archive --archive-timeout 60 main; }

# Called with ||, which switches set -e off inside.
base_backup() {
  local id
  for id in $(barman list-backups main | awk '/ - (EMPTY|STARTED|FAILED)/ { print $2 }'); do
    barman delete main "$id" || return 1
  done
  room_for "$(query 'SELECT sum(pg_database_size(oid))::bigint / 1024 FROM pg_database')" \
    && complete_wal_file && barman backup main \
    && complete_wal_file && barman check-backup main latest || return 1
  if ! barman verify-backup main latest; then
    say 'the base backup is damaged, so it is removed'
    barman delete main latest
    return 1
  fi
  touch "$base_backup_done"
}

base_backup_is_due() {
  [ -z "$(find "$base_backup_done" -mmin -1440 2>/dev/null)" ] && [ "$SECONDS" -ge "$try_at" ]
}

# For the alert BaseBackupTooOld. node_exporter must not read the archive itself.
write_metric() {
  local file=/metrics/base-backup.prom
  [ -e "$base_backup_done" ] || return 0
  printf 'taskapp_base_backup_last_success_timestamp_seconds %s\n' \
    "$(date -r "$base_backup_done" +%s)" >"$file.part" \
    && chmod 644 "$file.part" && mv "$file.part" "$file"
}

run() {
  local system
  system=$(this_system) || fail 'cannot reach the server'
  use "$system"
  trap 'barman receive-wal --stop main >/dev/null 2>&1; exit 0' TERM INT
  try_at=0
  while :; do
    # The receiver ends with this container, so that it never mixes two clusters.
    if now=$(this_system 2>/dev/null); then
      [ "$now" = "$system" ] || fail 'this is another database than before; starting anew'
      ensure_slot || say 'cannot receive WAL, see above; trying again'
      barman cron || true
      if base_backup_is_due && ! base_backup; then
        try_at=$((SECONDS + pause))
        say "the base backup failed, see above; the next try is in $((pause / 60)) minutes"
      fi
    fi
    write_metric || say 'cannot write to /metrics'
    sleep 20 &
    wait $! || true # the trap can interrupt a wait, but not a sleep
  done
}

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
  local backup=auto target=("--target-$1" "$2" --target-action promote)
  case $1 in
    latest) target=() ;;
    name) backup=oldest ;; # Barman does not know when that was
  esac
  use "$(chosen_system "${3:-}")"
  exec 8>"$archive/.restore.lock"
  flock -n 8 || fail 'another recovery is running'
  work=$archive/.restore
  rm -rf "$work" # left by a recovery that was killed
  trap 'pg_ctl -D "$work" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
  room_for "$(largest_base_backup)" || exit 1
  barman restore --get-wal "${target[@]}" main "$backup" "$work" >&2 \
    || {
      list >&2
      fail 'Barman cannot recover this, see above'
    }
  say 'applying the WAL'
  # In this mode the server recovers, and ends. --partial, because the newest changes are in a file
  # that is not complete yet.
  postgres --single -D "$work" -c hot_standby=off -c fsync=off \
    -c restore_command='barman get-wal --partial main %f >%p' \
    postgres </dev/null >"$restore_log" 2>&1 || fail_recovery
  say "recovered; $(last_commit || echo 'no transaction after the base backup')"
  # 8>&-: the lock ends with this script.
  pg_ctl -D "$work" -w -o '-c listen_addresses= -k /tmp' start >"$restore_log" 8>&-
  pg_dump --format=custom -h /tmp -d "$POSTGRES_DB"
}

largest_base_backup() { # in kB
  find "$home/main/base" -mindepth 1 -maxdepth 1 -exec du -sk {} + \
    | sort -n | awk 'END { print $1 + 0 }'
}

last_commit() { grep -o 'last completed transaction was at log time.*' "$restore_log"; }

fail_recovery() {
  if grep -q 'recovery ended before configured recovery target' "$restore_log"; then
    fail "the archive has no commit after that time; use 'latest' to recover all of it:" \
      "$(last_commit || true)"
  fi
  cat "$restore_log" >&2
  fail 'the recovery failed, see above'
}

shopt -s nullglob
case ${1:-} in
  run | list | restore) "$@" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
