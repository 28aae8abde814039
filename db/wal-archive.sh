#!/usr/bin/env bash
# Runs in the container of the service wal: keeps what a recovery to a point in time needs, and recovers.
# The archive holds one directory per unbroken stretch of WAL, named after its start:
#   TIME/system   the identifier of the server it comes from
#   TIME/wal/     every change, written within moments of the commit
#   TIME/base/    a copy of the whole server per day; recovery begins with one of them and applies the WAL
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: wal-archive.sh run | health | list | restore TIME|latest [STRETCH]

run       streams WAL and makes a base backup per day, until it is stopped
health    exit code 0 if WAL arrives and there is a base backup
list      the times that can be recovered
restore   recovers to TIME (UTC, as 20261123180500.25) and writes a dump of the database to standard output

Environment: POSTGRES_USER, POSTGRES_DB, and optionally
             WAL_RETAIN_DAYS   base backups and their WAL are kept so long (7)
             WAL_MAX_BEHIND    how much WAL the server keeps while this service is away (2GB)
TEXT
}
archive=/var/lib/postgresql/data slot=wal_archive
say() { echo "wal-archive: $*" >&2; }
fail() {
  say "$*"
  exit 1
}
# Over the socket, which db shares in a volume: it needs no network, no password and no line in pg_hba.conf.
query() { PGCONNECT_TIMEOUT=5 psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -c "$1"; }
hours_ago() { date -u -d "@$(($(date +%s) - $1 * 3600))" +%Y%m%d%H%M%S; }
newest() { find "$1" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' ! -name '*.*' | sort | tail -n 1; }
last_wal() { find "$1/wal" -type f -name '0*' | sort | tail -n 1; }

state() {
  query "SELECT system_identifier || ' ' || coalesce((SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'), 'missing')
         FROM pg_control_system()"
}

# Sets stretch: the newest if it can be continued, else a new one. It cannot be when the server is another one, or when
# it has removed WAL that is not here yet.
open_stretch() {
  local system status
  read -r system status <<<"$1"
  stretch=$(newest "$archive")
  if [ -n "$stretch" ] && [ "$(cat "$stretch/system")" = "$system" ] && [[ $status != @(lost|missing) ]]; then return; fi
  query "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot'"
  stretch=$archive/$(date -u +%Y%m%d%H%M%S)
  mkdir -p "$stretch.part/wal" "$stretch.part/base"
  echo "$system" >"$stretch.part/system"
  mv "$stretch.part" "$stretch"
  query "SELECT pg_create_physical_replication_slot('$slot', immediately_reserve => true)" >/dev/null
  say "a new stretch begins: $stretch"
}

# Called with ||, which switches set -e off inside.
base_backup() {
  rm -rf "$stretch"/base/*.part
  local part=$stretch/base/new.part
  pg_basebackup --username "$POSTGRES_USER" --no-password --pgdata "$part" --format tar --gzip --wal-method none --checkpoint fast 2>&1 \
    | { grep -v '^NOTICE' || true; } >&2 || return 1 # the notice: that nobody archives the WAL
  # The first WAL file that this backup needs: older ones go when no older base backup is left.
  tar -xzOf "$part/base.tar.gz" backup_label | sed -n 's/^START WAL LOCATION.*(file \(.*\))$/\1/p' >"$part/start"
  [ -s "$part/start" ] || return 1
  mv "$part" "$stretch/base/$(date -u +%Y%m%d%H%M%S)" || return 1
  say "base backup made: $(newest "$stretch/base")"

  local limit old
  limit=$(hours_ago $((${WAL_RETAIN_DAYS:-7} * 24)))
  find "$stretch/base" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort | while read -r old; do
    [[ ${old##*/} < $limit && $old != "$(newest "$stretch/base")" ]] && rm -rf "$old"
  done || true
  pg_archivecleanup "$stretch/wal" "$(cat "$(find "$stretch/base" -mindepth 1 -maxdepth 1 -type d | sort | head -n 1)/start")"
  find "$archive" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | while read -r old; do
    [ "$old" = "$stretch" ] || [ -n "$(find "$old/wal" -type f -mtime "-${WAL_RETAIN_DAYS:-7}")" ] || rm -rf "$old"
  done
}

run() {
  local now receiver begun
  begun=$(state) || fail 'cannot reach the server'
  query "ALTER SYSTEM SET max_slot_wal_keep_size = '${WAL_MAX_BEHIND:-2GB}'"
  query 'SELECT pg_reload_conf()' >/dev/null
  open_stretch "$begun"
  # --synchronous: on the disk at once, not when the file of 16 MB is full. It connects again by itself.
  pg_receivewal --username "$POSTGRES_USER" --no-password --directory "$stretch/wal" --slot "$slot" --synchronous &
  receiver=$!
  trap 'kill "$receiver"; wait "$receiver"; exit 0' TERM INT
  while kill -0 "$receiver" 2>/dev/null; do
    if now=$(state 2>/dev/null); then
      # Then this stretch cannot go on: end, be restarted, begin a new one.
      [[ $now = "$(cat "$stretch/system") "* && $now != *\ @(lost|missing) ]] || {
        kill "$receiver"
        fail "the server or its slot is another one: $now"
      }
      if [[ $(basename "$(newest "$stretch/base")") < $(hours_ago 24) ]]; then
        base_backup || say 'the base backup failed, see above; trying again'
      fi
    fi
    sleep 10 &
    wait $! || true # a wait can be interrupted by the trap, a sleep cannot
  done
  fail 'pg_receivewal has ended, see above'
}

health() {
  [ "$(query "SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'")" = t ] || fail 'no WAL arrives'
  [ -n "$(newest "$(newest "$archive")/base")" ] || fail 'there is no base backup yet'
}

list() {
  local dir base
  find "$archive" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort | while read -r dir; do
    base=$(find "$dir/base" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' | sort | head -n 1)
    echo "stretch ${dir##*/}: from ${base##*/} to $(date -u -r "$(last_wal "$dir")" +%Y%m%d%H%M%S)"
  done
}

# restore TIME|latest STRETCH
restore() {
  local target=$1 name=$2 dir base='' candidate options=()
  for dir in "$archive"/${name:-[0-9]*}; do
    for candidate in "$dir"/base/[0-9]*; do
      # Strictly before: in the second in which a base backup ends it may not be consistent yet.
      if [ -d "$candidate" ] && [[ $target = latest || ${candidate##*/} < ${target%%.*} ]]; then base=$candidate; fi
    done
  done
  [ -n "$base" ] || fail "there is no base backup before $target; the archive holds: $(list)"
  dir=${base%/base/*}

  exec 8>"$archive/.restore.lock"
  flock -n 8 || fail 'another recovery is running'
  rm -rf "$archive"/.restore.?*.d # left by one that was killed
  work=$archive/.restore.$$.d
  trap 'pg_ctl -D "$work" -m immediate stop >/dev/null 2>&1; rm -rf "$work"' EXIT
  mkdir -m 700 "$work"
  say "unpacking base backup ${base##*/} of stretch ${dir##*/}"
  tar -xzf "$base/base.tar.gz" -C "$work"
  mkdir -p "$work/pg_wal"
  touch "$work/recovery.signal"
  if [ "$target" != latest ]; then
    options=(-c "recovery_target_time=${target:0:4}-${target:4:2}-${target:6:2} ${target:8:2}:${target:10:2}:${target:12}+00")
  fi
  say 'applying the WAL'
  # The newest file is a .partial of full size: PostgreSQL sees by itself where it ends. 8>&-: the lock ends with us.
  postgres -D "$work" -c listen_addresses= -c unix_socket_directories=/tmp -c hba_file="$work/pg_hba.conf" -c shared_buffers=32MB \
    -c hot_standby=off -c fsync=off -c logging_collector=off -c recovery_target_action=promote "${options[@]}" \
    -c restore_command="cp '$dir/wal/%f' '%p' 2>/dev/null || cp '$dir/wal/%f.partial' '%p' 2>/dev/null" >"/tmp/restore.log" 2>&1 8>&- &
  local server=$!
  until PGHOST=/tmp pg_isready -q; do # only once the recovery is complete
    if ! kill -0 "$server" 2>/dev/null; then
      if grep -q 'recovery ended before configured recovery target' /tmp/restore.log; then
        fail "the archive has no commit after that time; its end is 'latest': $(grep -o 'last completed transaction was at log time.*' /tmp/restore.log || true)"
      fi
      cat /tmp/restore.log >&2
      fail 'the recovery failed, see above'
    fi
    sleep 0.2
  done
  say "recovered; $(grep -o 'last completed transaction was at log time.*' /tmp/restore.log || echo 'no transaction after the base backup')"
  pg_dump --format=custom -h /tmp -U "$POSTGRES_USER" -d "$POSTGRES_DB"
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
