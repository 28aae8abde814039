# shellcheck shell=bash
# Sourced by the scripts, in the root of the repository: sets which Compose files they use, and has
# the functions that work in the database's container.
# On a server, COMPOSE_FILE in .env names those of production, so plain `docker compose` uses them.
# If it does not, but there is a .env.prod, the scripts use that, as the course's command does.
# settings: the file with the settings. as_typed: what a person types for `docker compose`.
# shellcheck disable=SC2034

# As Compose reads it: with export before it, and spaces around the sign.
names_files='^[[:space:]]*(export[[:space:]]+)?COMPOSE_FILE[[:space:]]*[=:]'
means_production() { # means_production FILE
  grep -Eqs "$names_files.*compose\.prod\.yml" "$1"
}

as_typed='docker compose'
settings=.env
if [ -z "${COMPOSE_FILE:-}" ] && ! means_production .env && [ -f .env.prod ]; then
  export COMPOSE_ENV_FILES=.env.prod
  as_typed+=' --env-file .env.prod'
  if ! grep -Eq "$names_files" .env.prod; then
    export COMPOSE_FILE=compose.yml:compose.prod.yml
    as_typed+=' -f compose.yml -f compose.prod.yml'
  fi
fi
if [ -n "${COMPOSE_ENV_FILES:-}" ]; then
  settings=${COMPOSE_ENV_FILES##*,}
elif [ .env -ef .env.prod ]; then
  settings=.env.prod # the file itself, not the link to it
fi

# setting NAME: its value, as Compose reads it from the environment or from the settings.
setting() {
  local image
  image=$(docker compose -f - config --images <<<"services: { a: { image: \"a\${$1:-}\" } }") \
    || return
  printf '%s\n' "${image#a}"
}

# write_settings NAME=VALUE...: writes them into the settings; without a value, removes the line.
# The file changes in one step: it is never half written, not even on a full disk. If this fails,
# the file is as it was.
write_settings() {
  local file=$settings target line text before
  while [ -L "$file" ]; do # a link stays a link
    target=$(readlink "$file")
    [[ $target = /* ]] || target=${file%"${file##*/}"}$target
    file=$target
  done
  [ -f "$file" ] || (umask 077 && : >"$file")
  before=$(cat "$file") || fail "cannot read $file"
  text=$before
  for line; do
    text=$(LINE=$line awk '
      BEGIN { line = ENVIRON["LINE"]; name = line; sub(/=.*/, "", name); done = line == name "=" }
      { found = $0; sub(/^[ \t]*(export[ \t]+)?/, "", found); sub(/[ \t]*[=:].*/, "", found) }
      found != name { print; next }
      !done { print line; done = 1 }
      END { if (!done) print line }' <<<"$text") || fail "cannot change $line in $file"
  done
  replace_text "$file" "$text" || fail "cannot write $file"
  for line; do
    [ "$(unset "${line%%=*}" && setting "${line%%=*}")" = "${line#*=}" ] || {
      replace_text "$file" "$before" || fail "cannot put the old text back into $file"
      fail "cannot write $line into $settings: is it set in another file?"
    }
  done
}

replace_text() { # replace_text FILE TEXT: the copy has the mode of the file
  cp -p "$1" "$1.part" && printf '%s\n' "$2" >"$1.part" && mv "$1.part" "$1"
}

# find_project: sets project, its name. From then on, containers does not read the Compose files,
# which may be edited meanwhile.
find_project() {
  project=$(docker compose config | sed -n 's/"//g; s/^name: //p')
}

# containers SERVICE: its containers, stopped ones too, but not those of `docker compose run`, which
# `docker compose ps --all` lists as well.
containers() {
  local label=label=com.docker.compose
  docker ps --all --quiet --no-trunc --filter "$label.project=$project" \
    --filter "$label.service=$1" --filter "$label.oneoff=False"
}

# refusal_of_db [TEXT]: prints why the database refuses its volume, or TEXT if it accepts it.
refusal_of_db() {
  local log refusal
  log=$(docker compose logs --no-color --no-log-prefix --tail 5 db 2>/dev/null) || true
  refusal=$(sed -n 's/^.*taskapp db: refused: //p' <<<"$log" | tail -n 1)
  printf '%s\n' "${refusal:-${1:-}}"
}

# find_db: sets container and owner, and database if that is empty. Ends the script on a machine of
# deploy/ha that has a standby, because a standby takes no change.
find_db() {
  container=$(docker compose ps --quiet db) || fail 'docker compose failed, see above'
  [ -n "$container" ] || fail "the database is not running; start it with $as_typed up -d --wait db"
  owner=$(db printenv POSTGRES_USER) \
    || fail "$(refusal_of_db 'cannot run commands in the container of db')"
  [ -n "$database" ] || database=$(db printenv POSTGRES_DB)
  [ "$(sql postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" != t ] \
    || fail 'the database of this machine is a standby; run this where the primary is'
}

# db COMMAND...: runs COMMAND in the container of db. It does not get the lock (descriptor 9): a
# child that outlives a killed run must not keep the next run out.
db() { docker exec -i "$container" "$@" 9>&-; }

# sql DATABASE ARGUMENT...: psql as the owner.
sql() { db psql --no-psqlrc -Atq -v ON_ERROR_STOP=1 -U "$owner" -d "$@"; }

# address_of_db CONTAINER: where the server listens for others. From a local address it would ask
# for no password. Fails if it does not listen yet, as during its first start. As in db, the command
# does not get the lock.
address_of_db() {
  # shellcheck disable=SC2016 # variables of the container
  timeout 20 docker exec "$1" sh -c '
    address=$(psql -XAtq -U "$POSTGRES_USER" -d postgres -c "SHOW listen_addresses") || exit
    case $address in
      "") exit 1 ;;
      "*" | 0.0.0.0 | *,* | localhost | 127.*) address=$(hostname -i | cut -d " " -f 1) ;;
    esac
    [ -n "$address" ] && echo "$address"' 2>/dev/null 9>&-
}

# compare_tables DATABASE DUMP: ends the script if the tables differ from DUMP.sums.
compare_tables() {
  local sums
  sums=$(sql "$1" <scripts/table-sums.sql) || fail 'cannot read the restored tables, see above'
  diff "$2.sums" - <<<"$sums" >&2 \
    || fail 'the restored tables differ from the backup, see above (name|rows|checksum)'
}
