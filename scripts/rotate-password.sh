#!/usr/bin/env bash
# Changes a password of the database: the role and the secret together, then the API reads it.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/rotate-password.sh [--stdin] [api | owner]

Gives the database login of the API (the default) or of the owner a new password, writes it where the stack reads it from, and
replaces the API replicas if they use it. In production that is the file in secrets/, which they read for each connection, and no
request fails; in the lab it is the line in .env, and the API is away for some seconds. If anything fails, both old values are put back.

--stdin  reads the password from standard input, one line, instead of making a strong random one

Exit codes: 0 changed, 1 failed, 2 wrong usage, 3 a release or another password change runs
TEXT
}
say() { echo "rotate-password: $*"; }
fail() { echo "rotate-password: $*" >&2; exit 1; }

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

whose='' from_stdin=''
while [ $# -gt 0 ]; do
  case $1 in
    api | owner) [ -z "$whose" ] || { usage >&2; exit 2; }; whose=$1 ;;
    --stdin) from_stdin=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
whose=${whose:-api}
need docker

# The lock of releases: both replace the API replicas.
take_lock scripts/deploy.sh || { echo 'rotate-password: a release or another password change runs; wait for it' >&2; exit 3; }

if [ -n "$from_stdin" ]; then
  IFS= read -r password || [ -n "$password" ] || fail 'standard input is empty; give the password as one line'
else
  password=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
fi
[ ${#password} -ge 8 ] || fail 'the password is too short; use at least 8 characters'

# psql as the owner, over the container's socket, which asks for no password. Nothing of what it does gets into the server's
# log. SQL and passwords come on standard input: a command line can be read by everybody on the host.
# shellcheck disable=SC2016 # variables of the container
psql_in_db() {
  docker compose exec -T -e PGOPTIONS='-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic' db \
    sh -c 'exec psql --no-psqlrc --quiet -At -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"' psql "$@"
}
# shellcheck disable=SC2016
logins=$(docker compose exec -T db sh -c 'printf "%s\n" "$POSTGRES_USER" "$DB_USER"' </dev/null) ||
  fail 'cannot ask the database container: is it running? docker compose ps db'
owner=${logins%%$'\n'*} api=${logins##*$'\n'}
if [ "$whose" = owner ]; then role=$owner; else role=$api; fi
names=() # where the password is kept; in the lab the API's login may be the owner's
[ "$role" != "$owner" ] || names+=(POSTGRES_PASSWORD)
[ "$role" != "$api" ] || names+=(DB_PASS)

# --- Where the password is kept -------------------------------------------------------------------------------------------
config=$(docker compose config)
secret_file() { # the file of DB_PASS or POSTGRES_PASSWORD; nothing in the lab
  local secret=postgres_password
  [ "$1" != DB_PASS ] || secret=db_pass
  awk -v secret="$secret:" '/^[a-z]/ { part = $1 } part == "secrets:" && /^  [^ ]/ { name = $1 }
    part == "secrets:" && name == secret && sub(/^ +file: /, "") { print }' <<<"$config"
}
files=()
for name in "${names[@]}"; do files+=("$(secret_file "$name")"); done
production=${files[0]}
end=''

if [ -z "$production" ]; then
  settings=${COMPOSE_ENV_FILES:-.env}
  settings=${settings##*,}
  files=("$settings") end=$'\n'
  [[ $password != *[\'\\]* ]] || fail "in $settings a password cannot contain ' or \\; use another one"
fi

old=()
for file in "${files[@]}"; do
  if [ -f "$file" ]; then old+=("$(<"$file")"); elif [ -z "$production" ]; then old+=(''); else fail "$file is not there"; fi
done

# Into the same file: the containers have mounted this file, and would keep the old one if another took its name.
write_in_place() { # write_in_place FILE: its new content comes on standard input
  (umask 077 && cat >"$1.part") # first as a whole, so that a full disk does no harm
  chmod u+w "$1"
  cat "$1.part" >"$1"
  [ -z "$production" ] || chmod 444 "$1"
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

# --- The change -----------------------------------------------------------------------------------------------------------
# The old password as the server keeps it: from that it can be put back without knowing it.
verifier=$(psql_in_db -v "role=$role" <<<"SELECT rolpassword FROM pg_authid WHERE rolname = :'role'")
[ -n "$verifier" ] || fail "the database has no login $role with a password"

changed=''
undo() {
  local status=$? n
  trap '' INT TERM
  if [ -n "$changed" ]; then
    say 'failed: puts the old password back' >&2
    printf 'ALTER ROLE :"role" PASSWORD %s;\n' "'$verifier'" | psql_in_db -v "role=$role" || say "the role could not be put back" >&2
    for n in "${!files[@]}"; do printf '%s%s' "${old[n]}" "$end" | write_in_place "${files[n]}"; done
  fi
  exit "$status"
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "changes the password of $role and ${files[*]}"
changed=yes
# psql's own command for it, asked twice: the server only gets a hash.
printf '%s\n%s\n' "$password" "$password" | psql_in_db -v "role=$role" -c "\\password \"$role\"" >/dev/null 2>&1 ||
  fail "cannot change the password of $role; is the database healthy? docker compose ps db"
for file in "${files[@]}"; do
  if [ -n "$production" ]; then
    printf '%s' "$password" | write_in_place "$file"
  else
    [ -f "$file" ] || (umask 077 && : >"$file")
    settings_now=$(<"$file")
    with_new_password <<<"$settings_now" | write_in_place "$file"
  fi
done

# Over TCP from an address that is not local, where the server asks for the password.
# shellcheck disable=SC2016
printf '%s\n' "$password" | docker compose exec -T -e "ROLE=$role" db sh -c \
  'psql --no-psqlrc -At -W -h "$(hostname -i | cut -d " " -f 1)" -U "$ROLE" -d "$POSTGRES_DB" -c "SELECT 1"' >/dev/null 2>&1 ||
  fail 'the new password does not fit'

if [ "$role" = "$api" ]; then
  trap : INT TERM # whether it is too late to stop is decided by what is called here
  if [ -n "$production" ]; then
    RELEASE_LOCK_HELD=yes scripts/deploy.sh --restart
  else
    docker compose rm --stop --force api
    docker compose up -d --no-recreate --no-build --wait api # not the database, whose settings have changed as well
    sleep 3 # nginx asks for the new address every 2 s
  fi
fi
changed=''
say 'done: what knew the old password, for example a backup on another host, needs the new one'
