#!/usr/bin/env bash
# Makes the certificates of a database on three machines.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: deploy/ha/make-certificates.sh [--dir DIRECTORY] ADDRESS ADDRESS ADDRESS

Makes ha.crt and ha.key in secrets/, the certificate and key that the three machines share. It is
for their addresses, and for the name haproxy, which the API asks for.

It is signed by an authority of the cluster, ha_ca.crt, which signs nothing else. The first run
makes that too, and its key ha_ca.key. Later runs keep both and make a new certificate, for example
with the address of a new machine. A certificate is valid for ten years.

--dir DIRECTORY  makes them in DIRECTORY, which SECRETS_DIR in .env.prod names
TEXT
}

cd "$(dirname "$0")/../.."
. scripts/portable.sh

directory=secrets
while [ $# -gt 0 ]; do
  case $1 in
    --dir)
      directory=${2:?"--dir needs a directory"}
      shift 2
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) misused ;;
    *) break ;;
  esac
done
[ $# = 3 ] || misused
need openssl

ca=$directory/ha_ca node=$directory/ha
key_options=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

made() { # made WHAT OPENSSL_ARGUMENT...: ends the script if openssl cannot make it
  local what=$1 error
  shift
  error=$(openssl "$@" 2>&1) || fail "openssl cannot make $what: $error"
}

make_authority() {
  made "$ca.crt" req -x509 "${key_options[@]}" -days 10950 -config /dev/stdin \
    -keyout "$ca.key.part" -out "$ca.crt.part" <<'CONF'
[req]
prompt = no
distinguished_name = name
x509_extensions = authority
[name]
CN = taskapp database cluster
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONF
  chmod 400 "$ca.key.part" # no container needs it
  chmod 444 "$ca.crt.part"
  mv -f "$ca.key.part" "$ca.key"
  mv -f "$ca.crt.part" "$ca.crt"
  echo "make-certificates: $ca.crt and ha_ca.key made"
}

make_certificate() { # make_certificate ADDRESS...
  local address names=DNS:haproxy
  for address; do names+=,IP:$address; done
  made "$node.key" req -new "${key_options[@]}" -config /dev/stdin \
    -keyout "$node.key.part" -out "$node.csr.part" <<'CONF'
[req]
prompt = no
distinguished_name = name
[name]
CN = taskapp database node
CONF
  # Ten years, because when it expires, all three machines stop at once. Each machine is both a
  # server and a client of the others.
  made "$node.crt" x509 -req -in "$node.csr.part" -days 3650 -CA "$ca.crt" -CAkey "$ca.key" \
    -set_serial "0x$(openssl rand -hex 16)" -extfile /dev/stdin -out "$node.crt.part" <<CONF
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $names
CONF
  chmod 444 "$node.key.part" "$node.crt.part"
  mv -f "$node.key.part" "$node.key"
  mv -f "$node.crt.part" "$node.crt"
  echo "make-certificates: $node.crt and ha.key made for $*"
}

umask 077
trap 'rm -f "$directory"/ha*.part' EXIT
mkdir -p "$directory"
chmod 700 "$directory" # see scripts/make-secrets.sh
if [ -s "$ca.crt" ] && [ -s "$ca.key" ]; then
  echo "make-certificates: $ca.crt is there already; kept"
elif [ ! -e "$ca.crt" ] && [ ! -e "$ca.key" ]; then
  make_authority
else # a new authority would cut this machine off from the others
  fail "$ca.crt or ha_ca.key is missing: copy both from another machine"
fi
make_certificate "$@"
