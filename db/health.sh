#!/bin/sh
# The health check of db: well is a server that others can reach and whose init files have all run.
# Where it is not, one line says why and what to do; scripts/check-health.sh shows that line.
# POSTGRES_DB, POSTGRES_USER and DB_USER count on the first start, while the volume is empty.
# Changed later, they name what the volume does not have.
set -u

unwell() {
  echo "$*"
  exit 1
}

# Over TCP, because during the first start the server listens on its socket only.
query() {
  psql --no-psqlrc --no-password -Atq -h 127.0.0.1 -U "$POSTGRES_USER" -v "api=$DB_USER" "$@" 2>&1
}

first_start='and counts on the first start only'
answer=$(
  query -d "$POSTGRES_DB" <<'SQL'
SELECT coalesce(current_setting('taskapp.initialised', true), 'no'),
  EXISTS (SELECT FROM pg_roles WHERE rolname = :'api');
SQL
)
case $answer in
  'yes|t') ;;
  'yes|f')
    unwell "the volume has no login $DB_USER: that is DB_USER now, $first_start. Set it back," \
      'or make that login: docker compose exec db bash /docker-entrypoint-initdb.d/04_roles.sh'
    ;;
  'no|'*)
    unwell 'an init file failed on the first start: docker compose logs db | grep initdb.d'
    ;;
  *"role \"$POSTGRES_USER\" does not exist"*)
    unwell "the volume has no login $POSTGRES_USER: that is POSTGRES_USER now, $first_start." \
      'Set it back'
    ;;
  *"database \"$POSTGRES_DB\" does not exist"*)
    names="SELECT string_agg(datname, ', ') FROM pg_database WHERE datname !~ '^(template|postgres)'"
    unwell "the volume has no database $POSTGRES_DB: that is POSTGRES_DB now, $first_start." \
      "Set it back; the volume has: $(query -d postgres -c "$names")"
    ;;
  *)
    unwell "$answer" # of psql
    ;;
esac
