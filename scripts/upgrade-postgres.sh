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

While the data is copied and compared, the API answers reads as usual, but every write with 503, so
no acknowledged write is lost. While db is replaced, it answers everything with 503, for some
seconds. If anything fails, the old version goes on serving and takes writes again. If this script
is killed, run it again: until you do, db may refuse writes or be stopped.

Not copied: edits of pg_hba.conf, and settings made with ALTER SYSTEM.

--image IMAGE  the new image (default: the present one, with VERSION in its tag)
--back         goes back to the old volume. What was written since the upgrade stays in the new
               volume, which is kept as well

Exit codes: 0 good, 1 failed (the message says what runs), 2 wrong usage, 3 a release, a password
change or another upgrade is running
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
  echo 'upgrade-postgres: a release, password change or another upgrade is running; wait for it' >&2
  exit 3
}

unset POSTGRES_IMAGE POSTGRES_VOLUME POSTGRES_MOUNT # those of the settings count
docker compose config --quiet || fail 'the Compose files or settings are wrong, see above'
! docker compose config --services | grep -x etcd >/dev/null \
  || fail 'this cannot upgrade a database on three machines; nothing was changed. Start new' \
    'machines with the new version, and bring the data there:' \
    'docs/high-availability.md#come-from-one-host'
find_project

# Each has an image, a volume, and the directory where the image expects the volume.
present=("$(docker compose config --images db)" "$(setting POSTGRES_VOLUME)"
"$(setting POSTGRES_MOUNT)")
present[1]=${present[1]:-pgdata}
present[2]=${present[2]:-/var/lib/postgresql/data}
previous=("$(setting PREVIOUS_POSTGRES_IMAGE)" "$(setting PREVIOUS_POSTGRES_VOLUME)"
"$(setting PREVIOUS_POSTGRES_MOUNT)")

get_image() {
  docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" >/dev/null \
    || fail "cannot get the image $1; nothing was changed"
}
volume_exists() { docker volume inspect "${project}_$1" >/dev/null 2>&1; }

# The container of the copy exists until db uses the new volume. So if it is there at the start, an
# earlier run did not finish.
new=$project-db-upgrade
remove_new() {
  local volume of='{{range .Mounts}}{{.Name}}{{end}}'
  volume=$(docker inspect --format "$of" "$new" 2>/dev/null) || return 0
  docker rm --force "$new" >/dev/null
  [ "$volume" = "${project}_$(setting POSTGRES_VOLUME)" ] || docker volume rm "$volume" >/dev/null
}

# use IMAGE VOLUME MOUNT PREVIOUS...: writes them into the settings.
use() {
  write_settings "POSTGRES_IMAGE=$1" "POSTGRES_VOLUME=$2" "POSTGRES_MOUNT=$3" \
    "PREVIOUS_POSTGRES_IMAGE=$4" "PREVIOUS_POSTGRES_VOLUME=$5" "PREVIOUS_POSTGRES_MOUNT=$6"
}
start_db() { docker compose up -d --no-deps --no-build --wait --wait-timeout 60 db; }
take_writes() {
  local container=$old # this may run after a failure in in_new
  sql postgres -c 'ALTER SYSTEM RESET default_transaction_read_only' \
    -c 'SELECT pg_reload_conf()' >/dev/null
}

# replace_db IMAGE VOLUME MOUNT PREVIOUS...: if that fails, db is as it was. db is stopped first:
# even if this script is killed, no write reaches a volume that is about to be replaced. A new
# volume refuses writes until db is healthy, because the API does not wait for that. If not even the
# old version starts, nothing is removed; the next run does that.
replace_db() {
  local why='the settings could not be written, see above' failed="$1 does not run on ${project}_$2"
  docker compose stop db || true
  if (use "$@"); then
    if start_db; then
      find_db
      old=$container
      take_writes || fail "$1 runs, but may refuse writes, see above; run this script again"
      remove_new
      return
    fi
    why=$(refusal_of_db 'docker compose logs db says why')
    docker compose stop db || true
    (use "${present[@]}" "${previous[@]}") \
      || fail "$failed: $why. db is stopped, and the settings still name that image and volume"
  fi
  start_db || fail "$failed: $why. Nor does ${present[0]} become healthy; see $as_typed logs db"
  remove_new
  fail "$failed: $why. ${present[0]} runs again"
}

database=''
if [ -n "$back" ]; then
  [ -n "${previous[0]}" ] \
    || fail "there is nothing to go back to: $settings has no PREVIOUS_POSTGRES_IMAGE;" \
      'an upgrade writes it'
  volume_exists "${previous[1]}" || fail "the volume ${project}_${previous[1]} is no longer there"
  get_image "${previous[0]}"
  trap '' HUP INT TERM PIPE
  remove_new
  undisturbed replace_db "${previous[@]}" '' '' '' || exit 1
  say "${previous[0]} is running on the volume ${project}_${previous[1]}. The volume" \
    "${project}_${present[1]} is kept; it has what was written since the upgrade"
  exit 0
fi

# --- What is there -------------------------------------------------------------------------------
if docker inspect "$new" >/dev/null 2>&1; then
  say 'a run that was killed has left something; starting db and removing it'
  start_db || fail "db does not start; see $as_typed logs db"
fi
find_db
[ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] \
  || fail "the database is not healthy; see $as_typed ps db"

old=$container
if docker inspect "$new" >/dev/null 2>&1; then
  take_writes
  remove_new
fi

from=$(($(sql postgres -c 'SHOW server_version_num') / 10000))
if [ "$to" = "$from" ]; then # perhaps by a run that was killed after the switch
  say "the database is PostgreSQL $from already"
  exit 0
fi
[ "$to" -gt "$from" ] || fail "the database is PostgreSQL $from already"
image=${image:-$(sed -E "s/:$from([.][0-9]+)*/:$to/" <<<"${present[0]}")}
[ "$image" != "${present[0]}" ] \
  || fail "cannot tell the name of the new image from $image; give it with --image"
get_image "$image"
environment=$(docker image inspect --format '{{join .Config.Env "\n"}}' "$image")
grep -qx "PG_MAJOR=$to" <<<"$environment" || fail "$image is not PostgreSQL $to"
# The official images from 18 on have their data in a directory below this one.
mount=/var/lib/postgresql
! grep -qx "PGDATA=$mount/data" <<<"$environment" || mount+=/data

volume=pgdata-$to
! volume_exists "$volume" \
  || fail "there is already a volume ${project}_$volume, from an earlier upgrade; if nothing" \
    "in it is needed: docker volume rm ${project}_$volume"
device=$(docker volume inspect --format '{{index .Options "device"}}' "${project}_${present[1]}")
[ -z "$device" ] \
  || fail "the volume is on $device, where the new one cannot be as well; give the volume pgdata" \
    'another device in the Compose files, restore a backup into it, and start it with the new image'

# pg_dumpall leaves out databases that refuse connections. An interrupted restore may have left one.
closed=$(sql postgres -c "SELECT string_agg(datname, ', ') FROM pg_database
  WHERE NOT datallowconn AND NOT datistemplate")
[ -z "$closed" ] \
  || fail "$closed would not be copied, because it refuses connections: run ALTER DATABASE …" \
    'ALLOW_CONNECTIONS true, or drop it'

# In MB, for the copy, its WAL, and a reserve.
needed=$(sql postgres -c "SELECT ceil(sum(pg_database_size(datname)) / 1048576) + 1100
  FROM pg_database")
# shellcheck disable=SC2016 # a variable of the container
free=$(db sh -c 'df -Pm "$PGDATA"' | awk 'NR == 2 { print $4 }')
[ "$free" -ge "$needed" ] \
  || fail "not enough space: the copy needs $needed MB, and $free MB are free on the disk of the" \
    'volume; nothing was changed'

# --- The copy ------------------------------------------------------------------------------------
undo() {
  take_writes || say "cannot make db take writes again; run: $as_typed restart db" >&2
  remove_new
  say "not upgraded; PostgreSQL $from goes on serving" >&2
}
finish() {
  local status=$?
  trap '' HUP INT TERM
  undisturbed undo || true
  exit "$status"
}
trap finish EXIT
exit_on_signals

in_new() { # in_new COMMAND...: runs a function that uses $container, on the new server
  local container=$new
  "$@"
}

# Not with `docker compose run`: `docker compose exec db` would then find two containers.
start_new() {
  local label=volume-label=com.docker.compose
  local source=type=volume,source=${project}_$volume,target=$mount
  say "starting PostgreSQL $to on the new volume ${project}_$volume"
  docker run --detach --name "$new" --network none --memory 1g --pids-limit 256 \
    --user postgres --cap-drop ALL --security-opt no-new-privileges \
    --mount "$source,$label.project=$project,$label.volume=pgdata" \
    --env "POSTGRES_USER=$owner" --env POSTGRES_DB=postgres \
    --env "POSTGRES_PASSWORD=$(head -c 16 /dev/urandom | base64)" \
    --env "POSTGRES_INITDB_ARGS=$(db printenv POSTGRES_INITDB_ARGS)" \
    --env "DB_USER=$(db printenv DB_USER)" "$image" >/dev/null \
    || fail "cannot start a container of $image"
  # Over TCP: during its first start the server listens on its socket only.
  timeout 300 docker exec "$new" sh -c 'until pg_isready -q -h 127.0.0.1; do sleep 0.5; done' 9>&- \
    || fail "it does not start: $(docker logs --tail 5 "$new" 2>&1)"
}

# Prints whether sessions can only read, and when the server last loaded its settings.
state() {
  sql postgres -c "SELECT current_setting('default_transaction_read_only'), pg_conf_load_time()"
}
writing() {
  sql postgres -c "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND backend_xid IS NOT NULL"
}

# From here on, new sessions can only read. Writes under way have 10 s to finish; then all other
# sessions are closed. A session reads the settings file at its next command, so the setting is
# removed from the file only after that. It still applies until the server restarts.
refuse_writes() {
  local deadline=$((SECONDS + 30))
  say 'refusing writes from here on'
  refused_at=$SECONDS
  sql postgres -c 'ALTER SYSTEM SET default_transaction_read_only = on' \
    -c 'SELECT pg_reload_conf()' >/dev/null
  until [[ $(state 2>/dev/null) = on* ]]; do
    [ $SECONDS -lt $deadline ] \
      || fail "db has stopped, or the login $owner or the command of db sets" \
        'default_transaction_read_only'
    sleep 0.1
  done
  deadline=$((SECONDS + 10))
  while [ "$(writing)" != 0 ] && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
  sql postgres >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
ALTER SYSTEM RESET default_transaction_read_only;
SQL
  refusing=$(state)
}

# Uses the old version's pg_dumpall. The new one also dumps the option pg_attver, which Debian's
# PostgreSQL 17.12 sets on each column, and which no other server accepts. Leaves out the statement
# that creates the owner, because the new server already has that login.
copy() {
  local create_owner
  create_owner=$(sql postgres -c "SELECT format('CREATE ROLE %I;', current_user)")
  db pg_dumpall -U "$owner" \
    | LC_ALL=C awk -v line="$create_owner" '!seen && $0 == line { seen = 1; next } { print }' \
    | in_new sql postgres >/dev/null
}

sums() { # database.table|rows|checksum
  local name names
  names=$(sql postgres -c "SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate ORDER BY datname") || return
  while IFS= read -r name; do
    sql "$name" <scripts/table-sums.sql | awk -v name="$name" '{ print name "." $0 }' || return
  done <<<"$names"
}
compare() {
  local before after
  before=$(sums) || fail 'cannot read the database, see above'
  after=$(in_new sums) || fail 'cannot read the copy, see above'
  diff - <(echo "$after") <<<"$before" >&2 \
    || fail 'the copy differs, see above (name|rows|checksum)'
}

# Adds what pg_dumpall leaves out: rights on the databases that every server has, and statistics.
complete() {
  local roles
  roles=$(in_new db bash -s -- --print --keep-password <db/init/04_roles.sh) \
    && in_new sql "$database" <<<"$roles" \
    && in_new db vacuumdb --all --analyze --quiet -U "$owner"
}

start_new
refuse_writes
say "copying from PostgreSQL $from to $to"
copy || fail 'the copy failed, see above'
say 'comparing every table'
compare
complete || fail 'the new database could not be completed, see above'
in_new sql postgres -c 'ALTER SYSTEM SET default_transaction_read_only = on' \
  || fail 'the copy cannot be made to refuse writes, see above'
docker stop --time 300 "$new" >/dev/null
[ "$(state)" = "$refusing" ] \
  || fail 'db has read its settings again, so that writes were possible; try again'

# --- The switch ----------------------------------------------------------------------------------
trap '' HUP INT TERM
trap - EXIT
say "replacing PostgreSQL $from"
undisturbed replace_db "$image" "$volume" "$mount" "${present[@]}" || exit 1
say "PostgreSQL $to is running; writes were refused for $((SECONDS - refused_at)) s. The old" \
  "volume, ${project}_${present[1]}, is kept: scripts/upgrade-postgres.sh --back goes back to it." \
  'Now run scripts/backup.sh'
