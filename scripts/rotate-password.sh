#!/usr/bin/env bash
# Changes passwords of the database, in the role and in the secret together. Then restarts whatever
# uses them.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/rotate-password.sh [--stdin] [api | owner | monitor | all]

Gives a database login a new password, writes it where the stack reads it, and restarts what uses
it. api (the default) is the login of the API, owner that of people and dumps, monitor that of the
monitoring profile. In production the password is in secrets/; the API reads it for each connection,
and no request fails. In the lab it is in .env, and the API is down for some seconds. If anything
fails, the login and its secret get the old password back.

Use all when production refuses a volume with lab passwords: run it while the lab still runs, or
after production has refused the volume. Then start production. The data stays as it is.

--stdin  reads the password from standard input, as one line, instead of making a random one

With a database on three machines, run it where the primary is. Then give the same password to the
other two with --stdin: there it is only written into secrets/.

Exit codes: 0 changed, 1 failed, 2 wrong usage, 3 a release or another password change is
running
TEXT
}
say() { echo "rotate-password: $*" || exec >/dev/null 2>&1; } # a lost session must not end it

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

whose='' from_stdin=''
while [ $# -gt 0 ]; do
  case $1 in
    api | owner | monitor | all)
      [ -z "$whose" ] || misused
      whose=$1
      ;;
    --stdin) from_stdin=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) misused ;;
  esac
  shift
done
whose=${whose:-api}
[ "$whose$from_stdin" != allyes ] || misused
need docker

# The lock of releases, because a release and a password change both replace the API replicas.
take_lock . || {
  echo 'rotate-password: a release or another password change is running; wait for it' >&2
  exit 3
}

# --- The database -----------------------------------------------------------------------------
config=$(docker compose config) || fail 'the Compose files or settings are wrong, see above'
secret_file() { # secret_file SECRET: the file of a secret; nothing in the lab
  awk -v secret="$1:" '/^[a-z]/ { part = $1 } part == "secrets:" && /^  [^ ]/ { name = $1 }
    part == "secrets:" && name == secret && sub(/^ +file: /, "") { print }' <<<"$config"
}
production=$(secret_file postgres_password)

container='' temporary=''
is_ready() { address=$(address_of_db "$container"); }

# A run that is killed leaves the database that it started. While this run has the lock, no other
# run uses one.
temporary_label=taskapp.rotate-password=yes
stop_left_over() {
  local left
  left=$(docker ps --quiet --filter "label=com.docker.compose.project=$project" \
    --filter "label=$temporary_label")
  [ -n "$left" ] || return 0
  say 'removing the database that a killed run has left'
  docker stop --time 60 "$left" >/dev/null || fail "cannot stop the container $left"
}

# Sets container. If production has refused the volume, the database is not running. Then this
# starts it for the change only, where the API cannot reach it.
find_database() {
  local deadline=$((SECONDS + 120))
  find_project || fail 'docker compose failed, see above'
  stop_left_over
  container=$(containers db)
  if [ -n "$container" ] && is_ready; then
    return
  elif [ -z "$production" ]; then
    fail "the database is not running; start it with $as_typed up -d --wait db"
  elif [ -n "$container" ] && [ -z "$(refusal_of_db '')" ] \
    && [ "$(docker inspect --format '{{.State.Status}}' "$container")" = running ]; then
    fail 'the database is not ready; see docker compose logs db'
  fi
  say 'the database is not running; starting it for this change only'
  # Only one server may use the volume.
  docker compose stop db 2>/dev/null || fail 'cannot stop the container of db'
  temporary=$(docker compose run --rm --detach --no-deps --label "$temporary_label" \
    -e PASSWORD_CHECK=off db 2>/dev/null) \
    || fail 'cannot start the database: docker compose run --rm db says why'
  container=$temporary
  until is_ready; do
    [ $SECONDS -lt $deadline ] \
      || fail "the database did not start: $(docker logs --tail 5 "$container" 2>&1)"
    sleep 0.5
  done
}

# psql as the owner, over the container's socket, where the server asks for no password. The server
# does not log these statements. SQL and passwords come on standard input, because everybody on the
# host can read a command line.
# shellcheck disable=SC2016 # variables of the container
psql_in_db() {
  local quiet='-c log_statement=none -c log_min_duration_statement=-1'
  quiet+=' -c log_min_error_statement=panic'
  docker exec -i -e "PGOPTIONS=$quiet" "$container" sh -c \
    'exec psql -XqAt -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql "$@"
}

# --- Where the password is kept ---------------------------------------------------------------
# Writes into the same file: the containers mount it, and would keep the old one if another file
# took its name.
write_in_place() { # write_in_place FILE: its new content comes on standard input
  # First writes all of it to another file, so that a full disk does no harm.
  (umask 077 && cat >"$1.part")
  chmod u+w "$1"
  cat "$1.part" >"$1"
  if [ -n "$production" ]; then chmod 444 "$1"; else chmod 600 "$1"; fi
  rm "$1.part"
}

with_new_password() { # the lab's settings, with the lines of the password changed or added
  local line name seen=' '
  while IFS= read -r line || [ -n "$line" ]; do
    for name in "${names[@]}"; do
      case $line in "$name="*) line="$name='$password'" seen+="$name " ;; esac
    done
    printf '%s\n' "$line"
  done
  for name in "${names[@]}"; do
    [[ $seen == *" $name "* ]] || printf "%s='%s'\n" "$name" "$password"
  done
}

# Sets for a login: role, names (the settings that have its password), files (where they are) and
# old (what the files contain).
find_secrets() { # find_secrets api|owner|monitor
  local name file
  names=() files=() old=()
  case $1 in
    owner) role=$owner ;;
    monitor) role=taskapp_monitor names=(MONITOR_PASS) ;;
    api) role=$api ;;
  esac
  [ "$role" != "$owner" ] || names+=(POSTGRES_PASSWORD)
  [ "$role" != "$api" ] || names+=(DB_PASS) # in the lab the API may use the owner's login
  if [ -n "$production" ]; then
    for name in "${names[@]}"; do
      files+=("$(secret_file "$(tr '[:upper:]' '[:lower:]' <<<"$name")")")
    done
  else
    files=("$settings")
  fi
  for file in "${files[@]}"; do
    if [ -f "$file" ]; then
      old+=("$(<"$file")")
    elif [ -z "$production" ]; then
      old+=('')
    else
      fail "$file is not there"
    fi
  done
}

# --- The change -------------------------------------------------------------------------------
new_password() {
  if [ -n "$from_stdin" ]; then
    IFS= read -r password || [ -n "$password" ] \
      || fail 'standard input is empty; give the password as one line'
  else
    password=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
  fi
  [ ${#password} -ge 8 ] || fail 'the password is too short; use at least 8 characters'
  if [ -z "$production" ] && [[ $password == *[\'\\]* ]]; then
    fail "in $settings a password cannot contain ' or \\; use another one"
  fi
}

changed=''
put_back() {
  local n end=''
  say 'failed; putting the old password back' >&2
  printf 'ALTER ROLE :"role" PASSWORD %s;\n' "$verifier" | psql_in_db -v "role=$role" \
    || say 'cannot put the old password of the role back' >&2
  [ -n "$production" ] || end=$'\n'
  for n in "${!files[@]}"; do
    printf '%s%s' "${old[n]}" "$end" | write_in_place "${files[n]}"
  done
  [ "$changed" != restarting ] || restart_in_the_lab \
    || say 'cannot start the API again' >&2
}

finish() {
  local status=$?
  trap '' HUP INT TERM
  [ -z "$changed" ] || undisturbed put_back || true
  if [ -n "$temporary" ]; then
    undisturbed docker stop --time 60 "$temporary" >/dev/null \
      || say "cannot stop $temporary" >&2
  fi
  exit "$status"
}
trap finish EXIT
exit_on_signals

change_role() {
  # psql's \password asks twice and sends the server only a hash.
  printf '%s\n%s\n' "$password" "$password" \
    | psql_in_db -v "role=$role" -c "\\password \"$role\"" >/dev/null 2>&1 \
    || fail "cannot change the password of $role; is the database healthy? docker compose ps db"
}

write_files() {
  local file settings_now
  for file in "${files[@]}"; do
    if [ -n "$production" ]; then
      printf '%s' "$password" | write_in_place "$file"
    else
      [ -f "$file" ] || (umask 077 && : >"$file")
      settings_now=$(<"$file")
      with_new_password <<<"$settings_now" | write_in_place "$file"
    fi
  done
}

try_password() {
  local first=${standby:+; change it first where the primary is}
  # shellcheck disable=SC2016
  printf '%s\n' "$password" | docker exec -i -e "ROLE=$role" "$container" sh -c '
    psql -XAt -W -h "$1" -U "$ROLE" -d "$POSTGRES_DB" -c "SELECT 1"' - "$address" >/dev/null 2>&1 \
    || fail "the server does not accept the new password$first"
}

restart_in_the_lab() {
  docker compose rm --stop --force api
  # --no-recreate: the settings of db have changed as well, but it must not restart.
  docker compose up -d --no-recreate --no-build --wait api
  sleep 3 # nginx looks up the address every 2 s
}

restart_api() {
  trap : HUP INT TERM # the command below decides whether it can still be stopped
  if [ -n "$production" ]; then
    RELEASE_LOCK_HELD=yes scripts/deploy.sh --restart
  else
    changed=restarting
    restart_in_the_lab
  fi
  exit_on_signals
}

restart_exporter() {
  local project
  local label=com.docker.compose
  project=$(docker inspect --format "{{index .Config.Labels \"$label.project\"}}" "$container")
  if [ -n "$(docker ps --quiet --filter "label=$label.project=$project" \
    --filter "label=$label.service=postgres-exporter")" ]; then
    docker compose --profile monitoring up -d --no-deps --force-recreate postgres-exporter
  fi
}

rotate() { # rotate api|owner|monitor
  find_secrets "$1"
  # The stored hash of the old password: with it, the password can be put back without being known.
  verifier=$(
    psql_in_db -v "role=$role" <<'SQL'
SELECT coalesce(quote_literal(rolpassword), 'NULL') FROM pg_authid WHERE rolname = :'role';
SQL
  )
  if [ -z "$verifier" ]; then
    [ "$whose" = all ] || fail "the database has no login $role"
    say "the database has no login $role; skipped"
    return
  fi
  new_password
  if [ -n "$standby" ]; then
    # The primary has it already, so the old one is not put back if anything fails from here on.
    try_password
    say "changing the password of $role in ${files[*]}"
    write_files
  else
    say "changing the password of $role in the database and in ${files[*]}"
    changed=yes
    change_role
    write_files
    try_password
  fi
  if [ -n "$stack_uses_it" ]; then
    if [ "$role" = "$api" ]; then restart_api; fi
    if [ "$1" = monitor ]; then restart_exporter; fi
  fi
  changed=''
}

find_database
# shellcheck disable=SC2016
logins=$(docker exec "$container" sh -c 'printf "%s\n" "$POSTGRES_USER" "$DB_USER"') \
  || fail 'cannot run commands in the container of db'
owner=${logins%%$'\n'*} api=${logins##*$'\n'}
# Of three machines, those of the standbys only need the file: deploy/ha.
standby=$(psql_in_db <<<"SELECT 'yes' WHERE pg_is_in_recovery()") \
  || fail 'cannot ask the database, see above'
[ -z "$standby" ] || [ -n "$from_stdin" ] \
  || fail 'the database of this machine is a standby. Change the password where the primary is,' \
    'then give it here with --stdin'
# If the settings are production's already but the lab still runs, nothing reads the secrets yet.
stack_uses_it=yes
if [ -n "$temporary" ]; then
  stack_uses_it=''
elif [ -n "$production" ] \
  && ! docker exec "$container" test -e /run/secrets/postgres_password; then
  stack_uses_it=''
fi

if [ "$whose" = all ]; then
  rotate owner
  rotate monitor
  [ "$api" = "$owner" ] || rotate api
else
  rotate "$whose"
fi
say 'done; whatever else uses the old password, such as a backup on another host, needs the new one'
[ -n "$stack_uses_it" ] || say "now start production: $as_typed up -d --build --wait"
