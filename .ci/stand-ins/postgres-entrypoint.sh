#!/usr/bin/env bash
# Does what the official image's entrypoint promises: on an empty data directory it creates the
# database and runs the init files, with the server on its socket only. Then it becomes the server.
set -Eeuo pipefail

if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
if [ "$1" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  # The image has BusyBox' setpriv, which changes no user: this stands for gosu.
  exec /usr/libexec/setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

from_file() { # from_file NAME: sets NAME from the file that NAME_FILE points to
  local file_variable=${1}_FILE
  [ -n "${!file_variable:-}" ] || return 0
  if [ -n "${!1:-}" ]; then
    echo "error: both $1 and $file_variable are set" >&2
    exit 1
  fi
  export "$1=$(<"${!file_variable}")"
  unset "$file_variable"
}

# From 18 on, the official image starts no new database beside one of another version, or where the
# volume is mounted elsewhere.
if [ "$PG_MAJOR" -ge 18 ] && [ "$PGDATA" = "/var/lib/postgresql/$PG_MAJOR/docker" ] \
  && [ ! -s "$PGDATA/PG_VERSION" ]; then
  for other in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
    if [ -s "$other/PG_VERSION" ] || grep -q ' /var/lib/postgresql/data ' /proc/mounts; then
      echo "Error: in 18+, these Docker images store the data in $PGDATA; there is $other" >&2
      exit 1
    fi
  done
fi

mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  ls /docker-entrypoint-initdb.d/ >/dev/null # fails if it cannot be read, and ends the start
  from_file POSTGRES_USER
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_DB
  export POSTGRES_USER=${POSTGRES_USER:-postgres}
  export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo 'Error: the database is not initialised and POSTGRES_PASSWORD is not set.' >&2
    exit 1
  fi

  # shellcheck disable=SC2086 # the arguments are meant to split
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
    ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

  export PGPASSWORD=$POSTGRES_PASSWORD
  run_sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"; }
  pg_ctl -w -o "-c listen_addresses='' -p 5432" start
  if [ "$POSTGRES_DB" != postgres ]; then
    run_sql --dbname postgres -v "db=$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        echo "$0: running $file"
        # shellcheck source=/dev/null
        if [ -x "$file" ]; then "$file"; else . "$file"; fi
        ;;
      *.sql)
        echo "$0: running $file"
        run_sql --dbname "$POSTGRES_DB" -f "$file"
        ;;
      *.sql.gz)
        echo "$0: running $file"
        gunzip -c "$file" | run_sql --dbname "$POSTGRES_DB"
        ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
  pg_ctl -m fast -w stop
  unset PGPASSWORD
  echo 'PostgreSQL init process complete; ready for start up.'
fi

exec "$@"
