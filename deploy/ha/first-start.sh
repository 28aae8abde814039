#!/bin/sh
# Patroni runs this once for a cluster, on its first primary. It makes the database, then runs the
# files of db/init in their order, as the entrypoint of the official image does. If one fails,
# Patroni removes the data and starts over.
set -eu
export PGHOST=/var/run/postgresql PGUSER="$POSTGRES_USER"

createdb "$POSTGRES_DB"
for file in /docker-entrypoint-initdb.d/*; do
  echo "first-start: $file"
  case $file in
    *.sql) psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -d "$POSTGRES_DB" -f "$file" ;;
    *.sh) bash "$file" ;;
  esac
done
