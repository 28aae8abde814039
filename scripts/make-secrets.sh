#!/usr/bin/env bash
# Makes the secrets of production: strong random values, readable by nobody else on the host.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/make-secrets.sh [--self-signed NAME] [--dir DIRECTORY]

Makes postgres_password, db_pass, monitor_pass, api_token and grafana_password in secrets/. What is there is kept, so it
is safe to run again.
production also needs tls.crt (the certificate and those between it and the authority) and tls.key there, with mode 0444.

--self-signed NAME  makes these two as well, for the host name or address NAME: for a lab, browsers will warn
--dir DIRECTORY     instead of secrets/ (then set SECRETS_DIR in .env.prod)
TEXT
}
fail() { echo "make-secrets: $*" >&2; exit 1; }

cd "$(dirname "$0")/.."
directory=secrets name=''
while [ $# -gt 0 ]; do
  case $1 in
    --self-signed) name=${2:?"--self-signed needs a host name"}; shift ;;
    --dir) directory=${2:?"--dir needs a directory"}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

umask 077
mkdir -p "$directory"
# The directory keeps others on the host out. The files must be readable for the users of the containers, which see
# each file of its own and not the directory.
chmod 700 "$directory"

for secret in postgres_password db_pass monitor_pass api_token grafana_password; do
  file=$directory/$secret
  if [ -s "$file" ]; then
    echo "make-secrets: $file is there, kept"
    continue
  fi
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$file.part"
  chmod 444 "$file.part"
  mv "$file.part" "$file"
  echo "make-secrets: $file made"
done

if [ -n "$name" ]; then
  if [ -e "$directory/tls.crt" ] || [ -e "$directory/tls.key" ]; then
    echo "make-secrets: $directory/tls.crt or tls.key is there, kept"
  else
    command -v openssl >/dev/null || fail 'openssl is not installed'
    kind=DNS
    case $name in *[!0-9.]*) ;; *) kind=IP ;; esac
    error=$(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$name" \
      -addext "subjectAltName=$kind:$name" -keyout "$directory/tls.key.part" -out "$directory/tls.crt.part" 2>&1) || fail "openssl makes no certificate: $error"
    chmod 444 "$directory"/tls.{key,crt}.part
    mv "$directory/tls.key.part" "$directory/tls.key"
    mv "$directory/tls.crt.part" "$directory/tls.crt"
    echo "make-secrets: $directory/tls.crt and tls.key made for $name, self-signed"
  fi
elif [ ! -s "$directory/tls.crt" ] || [ ! -s "$directory/tls.key" ]; then
  echo "make-secrets: $directory/tls.crt and tls.key are missing: put the certificate and its key there (mode 0444), or use --self-signed"
fi
