#!/usr/bin/env bash
# Runs in the container of the service wal: archives what a point-in-time recovery needs, and
# recovers.
# The archive has one directory per unbroken stretch of WAL, named after its start:
#   TIME/system   the identifier of the server that it comes from
#   TIME/wal/     every change, written within moments of the commit
#   TIME/base/    a copy of the whole server per day; a recovery starts from one and applies the WAL
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: wal-archive.sh run | health | list | restore TIME|latest [STRETCH]

run       streams WAL and makes a base backup per day, until it is stopped
health    exit code 0 if WAL arrives and there is a base backup
list      the times to which a recovery can go back
restore   recovers to TIME (UTC, as 20261123180500.25) and writes a dump of the database to standard
          output

Environment: POSTGRES_USER, POSTGRES_DB, and optionally
             WAL_RETAIN_DAYS   how long base backups and their WAL are kept (7)
             WAL_MAX_BEHIND    how much WAL the server keeps while this service is away (2GB)
TEXT
}

archive=/var/lib/postgresql/data slot=wal_archive
restore_log=/tmp/restore.log

say() { echo "wal-archive: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# Over the socket, which db shares in a volume: that needs no network, password or pg_hba.conf line.
query() {
  PGCONNECT_TIMEOUT=5 psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 \
    -U "$POSTGRES_USER" -d postgres -c "$1"
}

hours_ago() { date -u -d "@$(($(date +%s) - $1 * 3600))" +%Y%m%d%H%M%S; }

# named_after_time DIRECTORY: its directories whose name is a time, oldest first. The names of
# unfinished ones have a dot, so these are left out.
named_after_time() {
  find "$1" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' ! -name '*.*' | sort
}
newest() { named_after_time "$1" | tail -n 1; }
oldest() { named_after_time "$1" | head -n 1; }
last_wal() { find "$1/wal" -type f -name '0*' | sort | tail -n 1; }

state() { # prints: SYSTEM STATUS_OF_THE_SLOT
  query "
    SELECT system_identifier || ' ' || coalesce(
        (SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'), 'missing')
    FROM pg_control_system()"
}

# can_continue STRETCH SYSTEM STATUS: whether STRETCH comes from this server, and the server still
# has the WAL that is not here yet.
can_continue() {
  [ -n "$1" ] && [ "$(cat "$1/system")" = "$2" ] && [[ $3 != @(lost|missing) ]]
}

# Sets stretch: the newest if it can be continued, else a new one.
open_stretch() { # open_stretch STATE
  local system status
  read -r system status <<<"$1"
  stretch=$(newest "$archive")
  if can_continue "$stretch" "$system" "$status"; then return; fi
  query "
    SELECT pg_drop_replication_slot(slot_name)
    FROM pg_replication_slots WHERE slot_name = '$slot'"
  stretch=$archive/$(date -u +%Y%m%d%H%M%S)
  mkdir -p "$stretch.part/wal" "$stretch.part/base"
  echo "$system" >"$stretch.part/system"
  mv "$stretch.part" "$stretch"
  query "
    SELECT pg_create_physical_replication_slot('$slot', immediately_reserve => true)" >/dev/null
  say "a new stretch begins: $stretch"
}

# Called with ||, which switches set -e off inside.
base_backup() {
  local part=$stretch/base/new.part
  local options=(--username "$POSTGRES_USER" --no-password --pgdata "$part")
  options+=(--format tar --gzip --wal-method none --checkpoint fast)
  rm -rf "$stretch"/base/*.part
  pg_basebackup "${options[@]}" 2>&1 | without_notice >&2 || return 1
  # The first WAL file that this backup needs: remove_old keeps the files from there on.
  tar -xzOf "$part/base.tar.gz" backup_label \
    | sed -n 's/^START WAL LOCATION.*(file \(.*\))$/\1/p' >"$part/start"
  [ -s "$part/start" ] || return 1
  mv "$part" "$stretch/base/$(date -u +%Y%m%d%H%M%S)" || return 1
  say "base backup made: $(newest "$stretch/base")"
  remove_old
}
without_notice() { grep -v '^NOTICE' || true; } # it says that nobody archives the WAL

# For the alert BaseBackupTooOld. node_exporter must not read the archive itself.
write_metric() {
  local base file=/metrics/base-backup.prom
  base=$(newest "$stretch/base")
  [ -n "$base" ] || return 0
  printf 'taskapp_base_backup_last_success_timestamp_seconds %s\n' \
    "$(date -r "$base/start" +%s)" >"$file.part" \
    && mv "$file.part" "$file"
}

remove_old() {
  local days=${WAL_RETAIN_DAYS:-7} limit old
  limit=$(hours_ago $((days * 24)))
  for old in $(named_after_time "$stretch/base"); do
    if [[ ${old##*/} < $limit && $old != "$(newest "$stretch/base")" ]]; then rm -rf "$old"; fi
  done
  pg_archivecleanup "$stretch/wal" "$(cat "$(oldest "$stretch/base")/start")"
  for old in "$archive"/[0-9]*; do # also unfinished ones
    if [ "$old" = "$stretch" ]; then continue; fi
    [ -n "$(find "$old/wal" -type f -mtime "-$days")" ] || rm -rf "$old"
  done
}

run() {
  local now receiver begun system status
  begun=$(state) || fail 'cannot reach the server'
  query "ALTER SYSTEM SET max_slot_wal_keep_size = '${WAL_MAX_BEHIND:-2GB}'"
  query 'SELECT pg_reload_conf()' >/dev/null
  open_stretch "$begun"
  # --synchronous: writes to the disk at once, not when the file of 16 MB is full. pg_receivewal
  # reconnects by itself.
  pg_receivewal --username "$POSTGRES_USER" --no-password \
    --directory "$stretch/wal" --slot "$slot" --synchronous &
  receiver=$!
  trap 'kill "$receiver"; wait "$receiver"; exit 0' TERM INT
  while kill -0 "$receiver" 2>/dev/null; do
    if now=$(state 2>/dev/null); then
      read -r system status <<<"$now"
      if ! can_continue "$stretch" "$system" "$status"; then
        kill "$receiver" # the service ends, is restarted, and begins a new stretch
        fail "this stretch belongs to another server, or its replication slot is gone: $now"
      fi
      if [[ $(basename "$(newest "$stretch/base")") < $(hours_ago 24) ]]; then
        base_backup || say 'the base backup failed, see above; trying again'
      fi
    fi
    write_metric || say 'cannot write to /metrics'
    sleep 10 &
    wait $! || true # the trap can interrupt a wait, but not a sleep
  done
  fail 'pg_receivewal has ended, see above'
}

health() {
  local active
  active=$(query "SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'") || true
  [ "$active" = t ] || fail 'no WAL is arriving'
  [ -n "$(newest "$(newest "$archive")/base")" ] || fail 'there is no base backup yet'
}

list() {
  local dir base
  for dir in $(named_after_time "$archive"); do
    base=$(oldest "$dir/base")
    echo "stretch ${dir##*/}: from ${base##*/} to $(date -u -r "$(last_wal "$dir")" +%Y%m%d%H%M%S)"
  done
}

# Prints the newest base backup from which the target can be recovered.
find_base() { # find_base TIME|latest STRETCH
  local dir candidate base=''
  for dir in "$archive"/${2:-[0-9]*}; do
    for candidate in "$dir"/base/[0-9]*; do
      [ -d "$candidate" ] || continue
      # Strictly before: in the second in which a base backup ends, it may not be consistent yet.
      if [[ $1 = latest || ${candidate##*/} < ${1%%.*} ]]; then base=$candidate; fi
    done
  done
  echo "$base"
}

last_commit() { grep -o 'last completed transaction was at log time.*' "$restore_log"; }

restore() { # restore TIME|latest STRETCH
  local target=$1 base dir
  base=$(find_base "$target" "$2")
  [ -n "$base" ] || fail "there is no base backup before $target; the archive holds: $(list)"
  dir=${base%/base/*}

  exec 8>"$archive/.restore.lock"
  flock -n 8 || fail 'another recovery is running'
  rm -rf "$archive"/.restore.?*.d # left by a recovery that was killed
  work=$archive/.restore.$$.d
  trap 'pg_ctl -D "$work" -m immediate stop >/dev/null 2>&1; rm -rf "$work"' EXIT
  mkdir -m 700 "$work"
  say "unpacking base backup ${base##*/} of stretch ${dir##*/}"
  tar -xzf "$base/base.tar.gz" -C "$work"
  mkdir -p "$work/pg_wal"
  touch "$work/recovery.signal"
  say 'applying the WAL'
  recover "$target" "$dir/wal"
  say "recovered; $(last_commit || echo 'no transaction after the base backup')"
  pg_dump --format=custom -h /tmp -U "$POSTGRES_USER" -d "$POSTGRES_DB"
}

# recover TIME|latest WAL_DIRECTORY: starts the server, and waits until it has applied the WAL.
recover() {
  local target=$1 server
  # The newest file is a .partial of full size: PostgreSQL sees by itself where the WAL ends.
  local copy="cp '$2/%f' '%p' 2>/dev/null || cp '$2/%f.partial' '%p' 2>/dev/null"
  local options=(-c listen_addresses= -c unix_socket_directories=/tmp)
  options+=(-c hba_file="$work/pg_hba.conf" -c shared_buffers=32MB -c hot_standby=off -c fsync=off)
  options+=(-c logging_collector=off -c recovery_target_action=promote -c restore_command="$copy")
  if [ "$target" != latest ]; then
    target="${target:0:4}-${target:4:2}-${target:6:2} ${target:8:2}:${target:10:2}:${target:12}+00"
    options+=(-c "recovery_target_time=$target")
  fi
  # 8>&-: the lock ends with this script.
  postgres -D "$work" "${options[@]}" >"$restore_log" 2>&1 8>&- &
  server=$!
  until PGHOST=/tmp pg_isready -q; do # only once the recovery is complete
    kill -0 "$server" 2>/dev/null || fail_recovery
    sleep 0.2
  done
}

fail_recovery() {
  if grep -q 'recovery ended before configured recovery target' "$restore_log"; then
    fail "the archive has no commit after that time; use 'latest' to recover all of it:" \
      "$(last_commit || true)"
  fi
  cat "$restore_log" >&2
  fail 'the recovery failed, see above'
}

shopt -s extglob nullglob
case ${1:-} in
  run | health | list) "$1" ;;
  restore) restore "${2:?TIME is missing}" "${3:-}" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
