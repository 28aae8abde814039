#!/usr/bin/env bash
# Backs up the database of the running stack, and proves the backup by restoring it.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/backup.sh [--database NAME] [--output-dir DIRECTORY] [--retain-days DAYS]
                         [--retain-weeks WEEKS] [--retain-months MONTHS] [--dry-run] [--verbose]

Writes three files: NAME-TIME.dump (pg_dump, custom format), .dump.sums (rows and checksum of each
table) and .dump.sha256. The dump is first written as .part and restored into a scratch database.
The files get their names only if every table has the rows it had at the moment of the dump. Then
backups that are too old are removed, unless the new one has less than half the rows of an earlier
one: the rows may have been deleted by mistake.

--database NAME         the database (default: POSTGRES_DB of the stack)
--output-dir DIRECTORY  where the backups are (default: backups/ of the repository); copy them to
                        another machine as well
--retain-days DAYS      keep each backup of this database for this many days (default: 7)
--retain-weeks WEEKS    keep the first backup of a week for this many weeks (default: 5). Weeks
                        begin on the 1st, 8th, 15th, 22nd and 29th of a month
--retain-months MONTHS  keep the first backup of a month for this many months (default: 12). The
                        newest 3 backups are kept in any case
--dry-run               say what would be done, and do nothing
--verbose               say what is being done, even without a terminal

Environment: METRICS_DIR  where the time of the last success and the row counts are written, for the
                          alerts BackupTooOld and BackupLostRows (default: monitoring/textfile)

Exit codes: 0 good, 1 failed (earlier backups are untouched), 2 wrong usage, 3 another run holds the
lock
TEXT
}
say() { if [ "$verbose" = yes ] || [ -t 2 ]; then echo "backup: $*" >&2; fi; }

caller=$PWD
cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

output=$PWD/backups database='' dry_run=no verbose=no
retain_days=7 retain_weeks=5 retain_months=12
while [ $# -gt 0 ]; do
  case $1 in
    --database | --output-dir | --retain-days | --retain-weeks | --retain-months)
      [ -n "${2:-}" ] || wrong "$1 needs a value"
      case $1 in
        --database) database=$2 ;;
        --output-dir) output=$2 ;;
        --retain-days) retain_days=$2 ;;
        --retain-weeks) retain_weeks=$2 ;;
        --retain-months) retain_months=$2 ;;
      esac
      shift
      ;;
    --dry-run) dry_run=yes ;;
    --verbose) verbose=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) wrong "unknown argument $1" ;;
  esac
  shift
done
[[ $retain_days =~ ^[1-9][0-9]{0,4}$ ]] \
  || wrong "--retain-days must be a whole number from 1 to 99999, not $retain_days"
[[ $retain_weeks =~ ^(0|[1-9][0-9]{0,3})$ ]] \
  || wrong "--retain-weeks must be a whole number from 0 to 9999, not $retain_weeks"
[[ $retain_months =~ ^(0|[1-9][0-9]{0,2})$ ]] \
  || wrong "--retain-months must be a whole number from 0 to 999, not $retain_months"
[[ $database != */* ]] || wrong "--database must not contain /"
[[ $output = /* ]] || output=$caller/$output

need docker sha256sum
umask 077
exec </dev/null # nothing below may read from the terminal
if [ "$dry_run" = no ]; then
  mkdir -p "$output" || fail "cannot make $output"
  [ -w "$output" ] || fail "cannot write to $output; run this as its owner"
  # Locks the directory: a lock file made by a run as root would keep everybody else out.
  if ! take_lock "$output"; then
    echo "backup: another run holds the lock on $output; try again when that run has ended" >&2
    exit 3
  fi
fi
# The codes 2 and 3 mean what --help says, so a failed command must not end the script with them.
trap '[ $? -eq 0 ] || exit 1' EXIT

find_db
[ "$(sql "$database" -c 'SELECT 1')" = 1 ] \
  || fail "$(refusal_of_db "cannot connect to the database $database")"

stamp=$(date -u +%Y%m%dT%H%M%SZ)
dump=$output/$database-$stamp.dump
shopt -s nullglob

# Sets old: the backups to remove once the new one is there. The time in the name counts, because a
# copy has another mtime.
find_old() {
  local files file time week month days=$retain_days last_week='' last_month=''
  local daily weekly monthly limit
  daily=$(time_before $((days * 86400)))
  if [ $((retain_weeks * 7)) -gt "$days" ]; then days=$((retain_weeks * 7)); fi
  weekly=$(time_before $((days * 86400)))
  if [ $((retain_months * 31)) -gt "$days" ]; then days=$((retain_months * 31)); fi
  monthly=$(time_before $((days * 86400)))

  files=("$output/$database"-????????T??????Z.dump) # oldest first
  [ "$dry_run" = no ] || files+=("$dump")
  old=()
  while [ ${#files[@]} -gt 3 ]; do
    file=${files[0]}
    files=("${files[@]:1}")
    time=${file: -21:16}
    month=${time:0:6}
    week=$month-$(((10#${time:6:2} - 1) / 7))
    limit=$daily
    if [ "$week" != "$last_week" ]; then limit=$weekly; fi
    if [ "$month" != "$last_month" ]; then limit=$monthly; fi
    last_week=$week last_month=$month
    if [[ $time < $limit ]]; then old+=("$file"); fi
  done
}

if [ "$dry_run" = yes ]; then
  find_old
  echo "backup: would write $dump and remove ${#old[@]}:" ${old[@]+"${old[@]##*/}"}
  exit 0
fi

# Removes what a killed run has left: unfinished files, files without their dump, scratch databases.
# Of the scratch databases, only this user's: kill -0 cannot tell whether another user's process is
# running.
remove_leftovers() {
  local file name
  local query="SELECT datname FROM pg_database WHERE datname ~ '^taskapp_verify_${UID}_[0-9]+$'"
  for file in "$output"/*-????????T??????Z.dump*.part; do
    rm -f "$file"
  done
  for file in "$output"/*-????????T??????Z.dump.{sums,sha256}; do
    [ -e "${file%.*}" ] || rm -f "$file"
  done
  for name in $(sql postgres -c "$query"); do
    if kill -0 "${name##*_}" 2>/dev/null; then continue; fi # of a run into another directory
    say "dropping $name, left by a run that was killed"
    db dropdb --force --if-exists -U "$owner" "$name"
  done
}
remove_leftovers

work=$(mktemp -d)
scratch=taskapp_verify_${UID}_$$
finish() {
  local status=$?
  rm -rf "$work" "$dump.part" "$dump.sums.part" "$dump.sha256.part" "$dump.restored.part"
  db dropdb --force --if-exists -U "$owner" "$scratch" 2>/dev/null \
    || echo "backup: cannot drop $scratch; the next run will" >&2
  [ "$status" -eq 0 ] || exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# fail_and_show_space TEXT: for failures that a full disk may explain.
fail_and_show_space() {
  # shellcheck disable=SC2016 # fields of awk
  local space='NR == 2 { print $4 " free of " $2 " on " $6 }'
  fail "$1. Is there room? $(df -Ph "$output" | awk "$space")"
}

# The API writes meanwhile. So a session, on descriptors 7 and 8, holds a snapshot open, and both
# the sums and the dump are made from that snapshot.
write_sums() {
  local line=''
  say "computing the checksums of $database"
  mkfifo "$work/to" "$work/from"
  # Opening a pipe blocks until the other end opens. Meanwhile this child must not hold the lock.
  sql "$database" 9>&- <"$work/to" >"$work/from" &
  exec 7>"$work/to" 8<"$work/from"
  {
    echo "SET idle_in_transaction_session_timeout = 0;"
    echo "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    echo "SELECT pg_export_snapshot();"
    cat scripts/table-sums.sql
    printf '%s\n' '\echo end'
  } >&7
  read -r snapshot <&8 || fail "cannot read $database, see above"
  while read -r line <&8 && [ "$line" != end ]; do
    echo "$line"
  done >"$dump.sums.part"
  [ "$line" = end ] || fail "computing the checksums failed, see above"
  [ -s "$dump.sums.part" ] || fail "$database has no tables, which cannot be right"
}

write_dump() {
  say "dumping $database"
  db pg_dump --format=custom --snapshot="$snapshot" -U "$owner" -d "$database" >"$dump.part" \
    || fail_and_show_space 'the dump failed, see above'
  exec 7>&-
}

verify_dump() {
  say "restoring it into $scratch"
  db createdb --template=template0 -U "$owner" "$scratch" \
    || fail "cannot create $scratch, see above"
  db pg_restore --exit-on-error -U "$owner" -d "$scratch" <"$dump.part" \
    || fail_and_show_space 'the dump cannot be restored, see above'
  sql "$scratch" <scripts/table-sums.sql >"$dump.restored.part" \
    || fail_and_show_space 'cannot read the restored database'
  diff "$dump.sums.part" "$dump.restored.part" >&2 \
    || fail "the restored database differs, see above (name|rows|checksum)"
}

hash() { sha256sum "$1.part" | cut -d ' ' -f 1; }

# The dump gets its name last: where there is a .dump, it is whole and verified.
name_files() {
  printf '%s  %s\n' \
    "$(hash "$dump")" "${dump##*/}" \
    "$(hash "$dump.sums")" "${dump##*/}.sums" >"$dump.sha256.part" \
    || fail_and_show_space 'cannot write'
  sync "$dump".{sums.,sha256.,}part || fail_and_show_space 'cannot write to the disk'
  mv "$dump.sums.part" "$dump.sums"
  mv "$dump.sha256.part" "$dump.sha256"
  mv "$dump.part" "$dump"
}

# Sets rows, of the new backup, and rows_before and richer: the newest earlier backup that has more
# than twice as many, if there is one. Rows of idempotency_keys do not count: they come and go
# within a day.
count_rows() {
  local file sums=()
  for file in "$output/$database"-????????T??????Z.dump.sums; do
    if [ "$file" != "$dump.sums" ] && [ -r "$file" ]; then sums+=("$file"); fi
  done
  # shellcheck disable=SC2016 # fields of awk
  read -r rows rows_before richer < <(awk -F '|' '
    $1 != "public.idempotency_keys" { rows[FILENAME] += $2 }
    END {
      new = ARGV[1]
      found = new
      for (n = 2; n < ARGC; n++) if (rows[ARGV[n]] > 2 * rows[new]) found = ARGV[n]
      printf "%.0f %.0f %s\n", rows[new], rows[found], found
    }' "$dump.sums" ${sums[@]+"${sums[@]}"})
  richer=${richer%.sums}
}

remove_old() {
  local file
  find_old
  if [ "$richer" != "$dump" ]; then
    old=()
    echo "backup: $database has $rows rows, but $richer has $rows_before, so no backup is removed." \
      "If rows were lost: scripts/restore.sh $richer --yes. Otherwise move $richer*," \
      'and all others with as many rows, to another directory' >&2
  fi
  for file in ${old[@]+"${old[@]}"}; do
    say "removing $file"
    rm -f "$file" "$file.sums" "$file.sha256"
  done
}

write_metrics() { # write_metrics FILE
  local of="{database=\"$database\"}"
  cat >"$1.part" <<TEXT || return
taskapp_backup_last_success_timestamp_seconds$of $(date +%s)
taskapp_backup_rows$of $rows
taskapp_backup_rows_before_loss$of $rows_before
TEXT
  chmod 644 "$1.part" && mv "$1.part" "$1"
}

started=$SECONDS
write_sums
write_dump
verify_dump
name_files
count_rows
remove_old

# Nobody expects a daily backup of another database.
if [ "$database" = "$(db printenv POSTGRES_DB)" ]; then
  metric=${METRICS_DIR:-monitoring/textfile}/backup-$database.prom
  write_metrics "$metric" || echo "backup: cannot write $metric" >&2
fi

kept=("$output/$database"-????????T??????Z.dump)
bytes=$(($(wc -c <"$dump")))
contents=$(awk -F '|' '
  { rows += $2 }
  END { print NR (NR == 1 ? " table, " : " tables, ") rows " rows" }' "$dump.sums")
echo "backup: $dump: $bytes bytes, $contents, verified in $((SECONDS - started)) s;" \
  "${#kept[@]} kept, ${#old[@]} removed"
