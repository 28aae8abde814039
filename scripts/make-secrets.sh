#!/usr/bin/env bash
# Makes the settings of production and its secrets: random values that nobody else on the host can
# read.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/make-secrets.sh [--self-signed NAME] [--dir DIRECTORY]

Makes postgres_password, db_pass, monitor_pass, api_token, grafana_password and, for a database on
three machines, replication_password and patroni_password in secrets/. Makes the settings:
.env.prod, from .env.prod.example, and .env as a link to it, so that `docker compose` means
production here. It keeps what exists, so it is safe to run again. A .env of the lab becomes
.env.lab; its names, ports and images go into .env.prod, but its passwords do not. Also makes an
empty alert_smtp_password: replace it with a file (mode 0444) that has ALERT_SMTP_USER's password.
To use the lab here again, run: rm .env && mv .env.lab .env

Production also needs tls.crt (the certificate and its intermediates) and tls.key in secrets/, with
mode 0444.

--self-signed NAME  makes these two as well, for the host name or address NAME: for a lab only,
                    because browsers will warn
--dir DIRECTORY     makes only the secrets, in DIRECTORY (then set SECRETS_DIR in .env.prod)
TEXT
}

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

directory=secrets name=''
while [ $# -gt 0 ]; do
  case $1 in
    --self-signed)
      name=${2:?"--self-signed needs a host name"}
      shift
      ;;
    --dir)
      directory=${2:?"--dir needs a directory"}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) misused ;;
  esac
  shift
done

# --- The secrets ---------------------------------------------------------------------------------
make_secret() { # make_secret FILE
  if [ -s "$1" ]; then
    echo "make-secrets: $1 is there already; kept"
    return
  fi
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$1.part"
  chmod 444 "$1.part"
  mv "$1.part" "$1"
  echo "make-secrets: $1 made"
}

make_certificate() {
  local crt=$directory/tls.crt key=$directory/tls.key kind=DNS error
  if [ -e "$crt" ] || [ -e "$key" ]; then
    echo "make-secrets: $crt or tls.key is there already; kept"
    return
  fi
  need openssl
  case $name in *[!0-9.]*) ;; *) kind=IP ;; esac
  local options=(-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365)
  options+=(-subj "/CN=$name" -addext "subjectAltName=$kind:$name")
  error=$(openssl req "${options[@]}" -keyout "$key.part" -out "$crt.part" 2>&1) \
    || fail "openssl cannot make the certificate: $error"
  chmod 444 "$key.part" "$crt.part"
  mv "$key.part" "$key"
  mv "$crt.part" "$crt"
  echo "make-secrets: $crt and tls.key made for $name, self-signed"
}

umask 077
mkdir -p "$directory"
# The directory keeps others on the host out. The containers see each file but not the directory, so
# their users must be able to read the files.
chmod 700 "$directory"
for secret in postgres_password db_pass monitor_pass api_token grafana_password \
  replication_password patroni_password; do
  make_secret "$directory/$secret"
done
if [ ! -e "$directory/alert_smtp_password" ]; then
  : >"$directory/alert_smtp_password"
  chmod 444 "$directory/alert_smtp_password"
fi
if [ -n "$name" ]; then
  make_certificate
elif [ ! -s "$directory/tls.crt" ] || [ ! -s "$directory/tls.key" ]; then
  echo "make-secrets: $directory/tls.crt and tls.key are missing:" \
    'put the certificate and its key there (mode 0444), or use --self-signed'
fi

# --- The settings ---------------------------------------------------------------------------------
# The settings that the lab and production share: the names of the project, the database and its
# logins, the ports, the images. DB_USER is left out if it is the owner: production's API never logs
# in as the owner.
lab_settings() {
  local kept='COMPOSE_PROJECT_NAME|POSTGRES_(DB|USER)|DB_(NAME|USER)|HTTP_BIND|[A-Z]+_(PORT|IMAGE)'
  local owner
  owner=$(sed -nE "s/^POSTGRES_USER=['\"]?([^'\" ]*).*/\1/p" .env)
  grep -E "^($kept)=" .env | grep -vE "^DB_USER=['\"]?${owner:-taskapp}['\"]?( |\$)"
}

make_env_prod() {
  if means_production .env; then
    cat .env
    return
  fi
  cat .env.prod.example
  if [ -f .env ] && lab_settings >/dev/null; then
    printf '\n# From the .env of the lab.\n'
    lab_settings
  fi
}

make_settings() {
  if [ ! -e .env.prod ]; then
    make_env_prod >.env.prod.part
    mv .env.prod.part .env.prod
    echo 'make-secrets: .env.prod made'
  elif ! grep -q '^COMPOSE_FILE=' .env.prod; then
    printf '\nCOMPOSE_FILE=compose.yml:compose.prod.yml\n' >>.env.prod
    echo 'make-secrets: .env.prod kept; COMPOSE_FILE added'
  fi
  chmod 600 .env.prod
  if [ .env -ef .env.prod ]; then return; fi
  if [ -e .env ]; then
    [ ! -e .env.lab ] \
      || fail '.env is to become .env.lab, which is there already; move .env.lab away'
    mv .env .env.lab
    chmod 600 .env.lab
    echo 'make-secrets: the .env that was there is now .env.lab'
  fi
  ln -sf .env.prod .env
  echo 'make-secrets: .env is a link to .env.prod: docker compose means production here'
}

if [ "$directory" = secrets ]; then make_settings; fi
