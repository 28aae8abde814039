#!/usr/bin/env bash
# Moves the database to a newer major version of PostgreSQL, or back to the one before.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/upgrade-postgres.sh VERSION [--image IMAGE]
       scripts/upgrade-postgres.sh --back

Copies all databases and logins into a new volume under PostgreSQL VERSION, compares every table,
then replaces the container of db. Writes the new image and volume into the settings, and keeps the
old volume.

From the start of the copy on, the API still reads, but answers every write with 503, so no
acknowledged write is lost. It answers everything with 503 while db is replaced, for some seconds.
If anything fails, the old version goes on serving and takes writes again. If this script is killed,
writes are refused until it runs again or db is restarted.

Edits of pg_hba.conf and settings made with ALTER SYSTEM are not copied. An archive of WAL starts
anew with the new server. Make a backup after the upgrade.

--image IMAGE  the new image; by default the present one with VERSION in its tag
--back         goes back to the old volume. What was written since the upgrade stays in the new
               volume, which is kept as well

Exit codes: 0 good, 1 failed (the version that ran before runs), 2 wrong usage, 3 a release, a
password change or another upgrade is running
TEXT
}
say() { echo "upgrade-postgres: $*" || exec >/dev/null 2>&1; } # a lost session must not end it

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

to='' image='' back=''
while [ $# -gt 0 ]; do
  case $1 in
    --image)
      image=${2:-}
      [ -n "$image" ] || wrong '--image needs a value'
      shift
      ;;
    --back) back=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      [[ -z $to && $1 =~ ^[1-9][0-9]$ ]] || misused
      to=$1
      ;;
  esac
  shift
done
[ -n "$to$back" ] || misused
[ -z "$back" ] || [ -z "$to$image" ] || misused
need docker
exec </dev/null

take_lock . || {
  echo 'upgrade-postgres: a release, a password change or another upgrade is running; wait for it' >&2
  exit 3
}

unset POSTGRES_IMAGE POSTGRES_VOLUME POSTGRES_MOUNT # those of the settings count
docker compose config --quiet || fail 'the Compose files or settings are wrong, see above'
find_project

volume_name() { echo "${project}_$1"; }
volume_exists() { docker volume inspect "$(volume_name "$1")" >/dev/null 2>&1; }
get_image() {
  docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null \
    || fail "cannot get the image $1; nothing was changed"
}

old_image=$(docker compose config --images db) || fail 'docker compose failed, see above'
old_volume=$(setting POSTGRES_VOLUME)
old_volume=${old_volume:-pgdata}
old_mount=$(setting POSTGRES_MOUNT)
old_mount=${old_mount:-/var/lib/postgresql/data}

# use IMAGE VOLUME MOUNT [SETTING...]: writes them into the settings, and makes db use them.
use() {
  export POSTGRES_IMAGE=$1 POSTGRES_VOLUME=$2 POSTGRES_MOUNT=$3
  write_settings "POSTGRES_IMAGE=$1" "POSTGRES_VOLUME=$2" "POSTGRES_MOUNT=$3" "${@:4}"
  docker compose up -d --no-deps --no-build --wait --wait-timeout 60 db
}
none=(PREVIOUS_POSTGRES_IMAGE= PREVIOUS_POSTGRES_VOLUME= PREVIOUS_POSTGRES_MOUNT=)
old=("PREVIOUS_POSTGRES_IMAGE=$old_image" "PREVIOUS_POSTGRES_VOLUME=$old_volume"
  "PREVIOUS_POSTGRES_MOUNT=$old_mount")

# --- Back ----------------------------------------------------------------------------------------
go_back() {
  local why
  if ! use "$image" "$volume" "$mount" "${none[@]}"; then
    why=$(refusal_of_db 'docker compose logs db says why')
    use "$old_image" "$old_volume" "$old_mount" \
      "PREVIOUS_POSTGRES_IMAGE=$image" "PREVIOUS_POSTGRES_VOLUME=$volume" \
      "PREVIOUS_POSTGRES_MOUNT=$mount" || true
    fail "$image on the volume $(volume_name "$volume") does not become healthy: $why." \
      "$old_image runs again"
  fi
}

if [ -n "$back" ]; then
  image=$(setting PREVIOUS_POSTGRES_IMAGE)
  volume=$(setting PREVIOUS_POSTGRES_VOLUME)
  mount=$(setting PREVIOUS_POSTGRES_MOUNT)
  [[ -n $image && -n $volume && -n $mount ]] \
    || fail "there is nothing to go back to: $settings has no PREVIOUS_POSTGRES_IMAGE;" \
      'an upgrade writes it'
  volume_exists "$volume" || fail "the volume $(volume_name "$volume") is no longer there"
  get_image "$image"
  trap '' HUP INT TERM PIPE
  undisturbed go_back || exit 1
  say "$image is running on the volume $(volume_name "$volume"). The volume" \
    "$(volume_name "$old_volume") is kept; it has what was written since the upgrade"
  exit 0
fi

# --- What is there -------------------------------------------------------------------------------
major_of() { # major_of IMAGE
  docker run --rm --network none --entrypoint postgres "$1" --version \
    | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

volume=pgdata-$to
new=$project-db-upgrade
database=''
find_db
[ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] \
  || fail "the database is not healthy; see $as_typed ps db"

old_db=$container
take_writes() {
  local container=$old_db # this may run after a failure in in_new
  sql postgres -c 'ALTER SYSTEM RESET default_transaction_read_only' \
    -c 'SELECT pg_reload_conf()' >/dev/null
}

remove_new() {
  docker rm --force --volumes "$new" >/dev/null 2>&1 || true
  docker volume rm --force "$(volume_name "$volume")" >/dev/null || true
}

if docker inspect "$new" >/dev/null 2>&1; then
  say 'removing what a run that was killed has left'
  remove_new
  take_writes
fi

from=$(($(sql postgres -c 'SHOW server_version_num') / 10000))
[ "$to" -gt "$from" ] || fail "the database is PostgreSQL $from already"
image=${image:-$(sed -E "s/:$from([.][0-9]+)*/:$to/" <<<"$old_image")}
[ "$image" != "$old_image" ] \
  || fail "cannot tell the name of the new image from $old_image; give it with --image"
get_image "$image"
[ "$(major_of "$image")" = "$to" ] || fail "$image is not PostgreSQL $to"
# The official images from 18 on have their data in a directory below this one.
mount=/var/lib/postgresql
docker image inspect --format '{{.Config.Env}}' "$image" \
  | grep -q "PGDATA=$mount/data\b" && mount+=/data

! volume_exists "$volume" \
  || fail "there is already a volume $(volume_name "$volume"), from an earlier upgrade; if nothing" \
    "in it is needed: docker volume rm $(volume_name "$volume")"
device=$(docker volume inspect --format '{{index .Options "device"}}' "$(volume_name "$old_volume")")
[ -z "$device" ] \
  || fail "the volume is on $device, where the new one cannot be as well; give the volume pgdata" \
    'another device in the Compose files, restore a backup into it, and start it with the new image'

# The copy, its WAL, and some room.
needed=$(sql postgres -c "SELECT ceil(sum(pg_database_size(datname)) / 1048576) + 1100
  FROM pg_database")
# shellcheck disable=SC2016 # a variable of the container
free=$(db sh -c 'df -Pm "$PGDATA"' | awk 'NR == 2 { print $4 }')
[ "$free" -ge "$needed" ] \
  || fail "not enough space: the copy needs $needed MB, and $free MB are free on the disk of the" \
    'volume; nothing was changed'

# --- The copy ------------------------------------------------------------------------------------
stage='' work=$(mktemp -d)
undo() {
  if [ "$stage" = copying ] && ! take_writes; then
    say "cannot make db take writes again; run: $as_typed restart db" >&2
  fi
  remove_new
  say "not upgraded; PostgreSQL $from goes on serving" >&2
}
finish() {
  local status=$?
  trap '' HUP INT TERM
  rm -rf "$work"
  [ -z "$stage" ] || undisturbed undo || true
  exit "$status"
}
trap finish EXIT
exit_on_signals

in_new() { # in_new COMMAND...: a function that uses $container, on the new server
  local container=$new
  "$@"
}

# Not with `docker compose run`: `docker compose exec db` would then find two containers.
start_new() {
  local deadline=$((SECONDS + 300)) labels=com.docker.compose
  local options=(--rm --detach --name "$new" --network none --memory 1g)
  options+=(--volume "$(volume_name "$volume"):$mount")
  options+=(--env "POSTGRES_USER=$owner" --env POSTGRES_DB=postgres)
  options+=(--env "POSTGRES_PASSWORD=$(head -c 16 /dev/urandom | base64)") # until the copy has it
  options+=(--env "POSTGRES_INITDB_ARGS=$(db printenv POSTGRES_INITDB_ARGS)")
  options+=(--env "DB_USER=$(db printenv DB_USER)")
  say "starting PostgreSQL $to on the new volume $(volume_name "$volume")"
  docker volume create --label "$labels.project=$project" --label "$labels.volume=pgdata" \
    "$(volume_name "$volume")" >/dev/null
  docker run "${options[@]}" "$image" >/dev/null || fail "cannot start a container of $image"
  # Over TCP: during its first start the server listens on its socket only.
  until in_new db pg_isready -q -h 127.0.0.1 2>/dev/null; do
    docker inspect "$new" >/dev/null 2>&1 || fail 'it has ended'
    [ $SECONDS -lt $deadline ] || fail "it does not start: $(docker logs --tail 5 "$new" 2>&1)"
    sleep 0.5
  done
}

read_only() { [ "$(sql postgres -c 'SHOW default_transaction_read_only')" = on ]; }
settings_read_at() { sql postgres -c 'SELECT pg_conf_load_time()'; }

# Later sessions can only read. Writes under way may end; then the other sessions are closed.
# The setting is removed from the file at once, so that it ends when the server restarts.
refuse_writes() {
  local deadline=$((SECONDS + 10))
  say 'refusing writes from here on'
  held_at=$SECONDS
  sql postgres -c 'ALTER SYSTEM SET default_transaction_read_only = on' \
    -c 'SELECT pg_reload_conf()' >/dev/null
  until read_only; do sleep 0.1; done
  while [ "$(writing)" != 0 ] && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
  sql postgres >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
ALTER SYSTEM RESET default_transaction_read_only;
SQL
  read_at=$(settings_read_at)
}
writing() {
  sql postgres -c "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND backend_xid IS NOT NULL"
}

# With the old version's pg_dumpall: the new one also dumps the option pg_attver, with which Debian's
# PostgreSQL 17.12 marks each column, and no other server accepts it. The owner is there already.
copy() {
  local owners_line
  owners_line=$(in_new sql postgres -c "SELECT format('CREATE ROLE %I;', current_user)")
  db pg_dumpall -U "$owner" \
    | LC_ALL=C awk -v owner="$owners_line" '!seen && $0 == owner { seen = 1; next } { print }' \
    | in_new sql postgres >/dev/null
}

databases() {
  sql postgres -c "SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate ORDER BY datname"
}

compare() {
  local name names
  names=$(databases)
  [ "$names" = "$(in_new databases)" ] || fail 'the new server has other databases'
  while IFS= read -r name; do
    sql "$name" <scripts/table-sums.sql >"$work/old" || fail "cannot read $name, see above"
    in_new sql "$name" <scripts/table-sums.sql >"$work/new" || fail 'cannot read the copy, see above'
    diff "$work/old" "$work/new" >&2 \
      || fail "the copy of $name differs, see above (name|rows|checksum)"
  done <<<"$names"
}

# What pg_dumpall leaves out: rights on the databases that every server has, and the statistics.
complete() {
  local roles
  roles=$(in_new db bash -s -- --print --keep-password <db/init/04_roles.sh) \
    && in_new sql "$database" <<<"$roles" \
    && in_new db vacuumdb --all --analyze --quiet -U "$owner"
}

make_copy() {
  stage=starting
  start_new
  stage=copying
  refuse_writes
  say "copying from PostgreSQL $from to $to"
  copy || fail 'the copy failed, see above'
  say 'comparing every table'
  compare
  complete || fail 'the new database could not be completed, see above'
  docker stop --time 300 "$new" >/dev/null
}

# --- The switch ----------------------------------------------------------------------------------
switch() {
  local why
  if ! use "$image" "$volume" "$mount" "${old[@]}"; then
    why=$(refusal_of_db 'docker compose logs db says why')
    use "$old_image" "$old_volume" "$old_mount" "${none[@]}" || true
    remove_new
    fail "PostgreSQL $to does not become healthy: $why. PostgreSQL $from runs again"
  fi
}

make_copy
if ! read_only || [ "$(settings_read_at)" != "$read_at" ]; then
  fail 'db has read its settings again, so that writes were possible; try again'
fi
trap '' HUP INT TERM
stage=''
say "replacing PostgreSQL $from"
undisturbed switch || exit 1
say "PostgreSQL $to is running; writes were refused for $((SECONDS - held_at)) s. The old volume," \
  "$(volume_name "$old_volume"), is kept: scripts/upgrade-postgres.sh --back goes back to it." \
  'Now run scripts/backup.sh'
