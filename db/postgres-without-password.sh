#!/bin/sh
# The image's entrypoint runs this in place of the server. First, this refuses a volume that
# production must not use. Then it removes the password that the entrypoint put into the
# environment, where the server's /proc/PID/environ would show it, and starts the server.
unset POSTGRES_PASSWORD PGPASSWORD
PATH=${PATH#/usr/local/sbin:}

passwords=/usr/local/share/taskapp/published-passwords.sql

# Runs SQL from standard input before any server accepts logins. If that fails, the volume is not
# refused: the server hits the same error and reports it. scripts/upgrade-postgres.sh makes a volume
# read-only for a while; the SQL must create its functions all the same.
single_user() {
  # postmaster.pid of an earlier container may hold this process's own pid.
  PG_GRANDPARENT_PID=$$ postgres --single -j -D "$PGDATA" \
    -c log_statement=none -c log_min_error_statement=panic \
    -c default_transaction_read_only=off postgres 2>/dev/null
}

sql_literal() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

# Prints `published NAME` for a login with a lab password, and `other NAME` if the API's login does
# not accept the API's secret.
unfit_logins() {
  password=$(cat "$DB_PASS_FILE")
  password=${password%"$(printf '\r')"} # from a Windows editor
  {
    cat "$passwords"
    echo 'SELECT rolname AS other FROM pg_authid'
    echo "WHERE rolname = $(sql_literal "$DB_USER")"
    echo "AND NOT pg_temp.accepts(rolname, rolpassword, $(sql_literal "$password"));"
    echo
  } | single_user | sed -nE 's/.*: (published|other) = "([^"]*)".*/\1 \2/p'
}

refuse() {
  echo "taskapp db: refused: $1; run scripts/rotate-password.sh all, which keeps the data," \
    'then start the stack again' >&2
  exit 1
}

# With -C the entrypoint reads a setting while it initialises the volume. scripts/rotate-password.sh
# sets PASSWORD_CHECK=off.
if [ "${1:-}" != -C ] && [ "${PASSWORD_CHECK:-on}" != off ] && [ -s "$PGDATA/PG_VERSION" ]; then
  if [ ! -r "$passwords" ]; then
    echo 'taskapp db: db/published-passwords.sql cannot be read; on the host: chmod a+r db/*' >&2
    exit 1
  fi
  unfit=$(unfit_logins)
  published=$(printf '%s\n' "$unfit" | sed -n 's/^published //p' | paste -s -d , -)
  [ -z "$published" ] || refuse "this volume has the lab's published passwords ($published)"
  [ -z "$unfit" ] || refuse "the password of ${unfit#other } in this volume differs from db_pass"
fi
exec postgres "$@"
