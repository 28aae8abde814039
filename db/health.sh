#!/bin/sh
# The health check of db. It passes when other services can reach the server and all init files have
# run. Otherwise it prints one line that says why, and what to do; scripts/check-health.sh shows it.
# POSTGRES_DB, POSTGRES_USER and DB_USER take effect on the first start only, while the volume is
# empty. Changed later, they name something that the volume does not have.
set -u

unhealthy() {
  echo "$*"
  exit 1
}

# Over TCP: during the first start the server listens on its socket only, and must not count as
# healthy.
query() {
  psql --no-psqlrc --no-password -Atq -h 127.0.0.1 -U "$POSTGRES_USER" -v "api=$DB_USER" "$@" 2>&1
}

# The last init file sets this in the database that it runs in.
initialised="SELECT string_agg(datname, ', ')
  FROM pg_database JOIN pg_db_role_setting ON setdatabase = pg_database.oid
  WHERE 'taskapp.initialised=yes' = ANY (setconfig)
    AND datname !~ '_before_restore_[0-9]+T[0-9]+Z$'"
first_start='takes effect on the first start only, and has been changed since'

answer=$(
  query -d "$POSTGRES_DB" <<SQL
SELECT coalesce(current_setting('taskapp.initialised', true), 'no'),
  EXISTS (SELECT FROM pg_roles WHERE rolname = :'api'),
  ($initialised);
SQL
)
case $answer in
  'yes|t|'*) ;;
  'yes|f|'*)
    unhealthy "the volume has no login $DB_USER. DB_USER $first_start. Set it back," \
      'or create that login: docker compose exec db bash /docker-entrypoint-initdb.d/04_roles.sh'
    ;;
  'no|'?'|'?*)
    unhealthy "the tasks are in the database ${answer##*|}, not in $POSTGRES_DB." \
      "POSTGRES_DB $first_start. Set it back"
    ;;
  'no|'*)
    unhealthy 'an init file failed on the first start; see docker compose logs db | grep initdb.d'
    ;;
  *"role \"$POSTGRES_USER\" does not exist"*)
    unhealthy "the volume has no login $POSTGRES_USER. POSTGRES_USER $first_start. Set it back"
    ;;
  *"database \"$POSTGRES_DB\" does not exist"*)
    unhealthy "the volume has no database $POSTGRES_DB. POSTGRES_DB $first_start." \
      "Set it back; the tasks are in the database $(query -d postgres -c "$initialised")"
    ;;
  *)
    unhealthy "$answer" # psql's error
    ;;
esac
