#!/usr/bin/env bash
# Creates the API's login, which may only read and write rows, and the login for monitoring, which
# may only read statistics. Then marks the database as initialised. This is Bash and not SQL because
# the passwords come from the environment.

# If this file lacks its x bit, the image's entrypoint sources it instead of running it: `exit` and
# the arguments would then be the entrypoint's.
if [ "${BASH_SOURCE[0]:-$0}" != "$0" ]; then
  bash "${BASH_SOURCE[0]}"
  return
fi
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: 04_roles.sh [--print] [--keep-password]

Runs as the owner, after the other init files. Safe to run again, for example to change a password.
--print          writes the SQL (with the password in it) to standard output instead of running it
--keep-password  leaves the passwords as they are; DB_PASS is not needed then

Environment: POSTGRES_USER, POSTGRES_DB   the owner and the database
             DB_USER                      the API's login
             DB_PASS or DB_PASS_FILE      its password
             MONITOR_PASS or MONITOR_PASS_FILE
                                          the password of taskapp_monitor, which cannot log in
                                          without one
TEXT
}

fail() {
  echo "04_roles.sh: $*" >&2
  exit 1
}

# read_secret NAME: sets `secret` from the variable NAME or from the file that NAME_FILE points to,
# less the one newline (LF or CRLF) that editors add. api/src/config.ts does the same.
read_secret() {
  local file=${1}_FILE
  secret=${!1:-}
  if [ -z "${!file:-}" ]; then return; fi
  [ -z "$secret" ] || fail "$1 and $file are both set; unset one of them"
  [ -r "${!file}" ] || fail "$file (${!file}) cannot be read"
  secret=$(cat "${!file}" && printf .) # $() would strip all newlines
  secret=${secret%.}
  if [ "$secret" != "${secret%$'\n'}" ]; then
    secret=${secret%$'\n'}
    secret=${secret%$'\r'}
  fi
}

sql_literal() {
  local quote="'"
  printf "'%s'" "${1//$quote/$quote$quote}"
}

roles_sql() {
  printf 'BEGIN;\n'
  printf 'SET LOCAL client_min_messages = warning;\n' # "already granted" is expected
  printf 'SET LOCAL taskapp.api_user = %s;\n' "$(sql_literal "$DB_USER")"
  printf 'SET LOCAL taskapp.api_password = %s;\n' "$(sql_literal "$password")"
  printf 'SET LOCAL taskapp.monitor_password = %s;\n' "$(sql_literal "$monitor_password")"
  cat <<'SQL'
DO $$
DECLARE
    api_user         text := current_setting('taskapp.api_user');
    password         text := current_setting('taskapp.api_password');
    monitor_password text := current_setting('taskapp.monitor_password');
    db               text := current_database();
    rows_of_tables   text := 'SELECT, INSERT, UPDATE, DELETE';
    owner            regrole := (SELECT datdba FROM pg_database WHERE datname = db);
    for_new          text := format(
        'ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA public GRANT', owner);
    only_login       text := 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';
    other            text;
BEGIN
    -- By default every role may connect to every database and make temporary tables.
    FOR other IN SELECT datname FROM pg_database WHERE datname <> 'template0' LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', other);
    END LOOP;

    IF api_user <> current_user THEN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = api_user) THEN
            EXECUTE format('CREATE ROLE %I', api_user);
        END IF;
        EXECUTE format('ALTER ROLE %I %s', api_user, only_login);
        IF password <> '' THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', api_user, password);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', db, api_user);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', api_user);
        EXECUTE format('GRANT %s ON ALL TABLES IN SCHEMA public TO %I', rows_of_tables, api_user);
        EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', api_user);
        -- The same for tables that the owner makes later, by a migration or by pg_restore.
        EXECUTE format('%s %s ON TABLES TO %I', for_new, rows_of_tables, api_user);
        EXECUTE format('%s USAGE, SELECT ON SEQUENCES TO %I', for_new, api_user);
    END IF;

    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskapp_monitor') THEN
        CREATE ROLE taskapp_monitor;
    END IF;
    EXECUTE format('ALTER ROLE taskapp_monitor %s CONNECTION LIMIT 12', only_login);
    IF monitor_password <> '' THEN
        EXECUTE format('ALTER ROLE taskapp_monitor PASSWORD %L', monitor_password);
    END IF;
    GRANT pg_monitor TO taskapp_monitor;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO taskapp_monitor', db);

    -- The last statement of the last init file. The health check of db looks for this setting.
    EXECUTE format('ALTER DATABASE %I SET taskapp.initialised = %L', db, 'yes');
END
$$;
COMMIT;
SQL
}

print='' keep_password=''
for argument; do
  case $argument in
    --print) print=yes ;;
    --keep-password) keep_password=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
done

[ -n "${DB_USER:-}" ] \
  || fail "DB_USER is not set; set it to the API's login, for example taskapp_api"
password='' monitor_password=''
if [ -z "$keep_password" ]; then
  read_secret DB_PASS
  password=$secret
  read_secret MONITOR_PASS
  monitor_password=$secret
fi
[ -n "$password$keep_password" ] \
  || fail "DB_PASS is empty; set it to the API's password, or set DB_PASS_FILE to the path of a" \
    'file that holds the password'
if [ -z "$keep_password" ] && [ "$DB_USER" = "$POSTGRES_USER" ]; then
  [ "$password" = "${POSTGRES_PASSWORD:-$password}" ] \
    || fail "DB_USER is the owner ($POSTGRES_USER), so DB_PASS must equal POSTGRES_PASSWORD"
fi

if [ -n "$print" ]; then
  roles_sql
else
  roles_sql | psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"
fi
