#!/bin/sh
# The image's entrypoint finds this before the server. It refuses a volume that production must not
# use, and takes the password out of the environment: the entrypoint has put it there from its file,
# and it would stay for the life of the server, in /proc/1/environ.
unset POSTGRES_PASSWORD PGPASSWORD
PATH=${PATH#/usr/local/sbin:}

passwords=/usr/local/share/taskapp/published-passwords.sql

# Runs SQL from standard input before there is a server that somebody could log in to. Where that
# fails, nothing is refused: the server that follows meets the same fault, and says it.
single_user() {
  # The server's lock file may hold the number that this process had in an earlier life.
  PG_GRANDPARENT_PID=$$ postgres --single -j -D "$PGDATA" \
    -c log_statement=none -c log_min_error_statement=panic postgres 2>/dev/null
}

sql_literal() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

# Prints `published NAME` for a login with a password of the lab, and `other NAME` if the API's
# login does not accept the API's secret.
unfit_logins() {
  password=$(cat "$DB_PASS_FILE")
  password=${password%"$(printf '\r')"} # an editor of Windows ends lines so
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

# -C: the entrypoint asks for a setting while it makes the volume. PASSWORD_CHECK=off is for
# scripts/rotate-password.sh.
if [ "${1:-}" != -C ] && [ "${PASSWORD_CHECK:-on}" != off ] && [ -s "$PGDATA/PG_VERSION" ]; then
  if [ ! -r "$passwords" ]; then
    echo 'taskapp db: db/published-passwords.sql cannot be read; on the host: chmod a+r db/*' >&2
    exit 1
  fi
  unfit=$(unfit_logins)
  published=$(printf '%s\n' "$unfit" | sed -n 's/^published //p' | paste -s -d , -)
  [ -z "$published" ] || refuse "this volume has the lab's published passwords ($published)"
  [ -z "$unfit" ] || refuse "the password of ${unfit#other } in this volume is not that in db_pass"
fi
exec postgres "$@"
