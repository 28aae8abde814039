#!/bin/sh
# The image's entrypoint runs this file before nginx. With TLS on, it links /tmp/tls.crt and
# /tmp/tls.key to the certificate to use. Then a loop checks every 10 s whether they have changed,
# and reloads nginx, which interrupts nothing. nginx refuses a pair that does not belong together,
# and keeps the one it has.
set -eu
[ "${TLS:-off}" = on ] || exit 0

say() { echo "taskapp web: $*" >&2; }

# That of certbot, or else that in CERTIFICATE_DIR, or else that in secrets/.
choose() {
  certificate=/run/secrets/tls_certificate key=/run/secrets/tls_key
  for directory in /etc/certificates/live/taskapp /etc/certificates; do
    # -L: a link that leads out of the container must not go unnoticed.
    if [ -e "$directory/fullchain.pem" ] || [ -L "$directory/fullchain.pem" ]; then
      certificate=$directory/fullchain.pem key=$directory/privkey.pem
      break
    fi
  done
  ln -sf "$certificate" /tmp/tls.crt
  ln -sf "$key" /tmp/tls.key
}

# Of the contents, because a file may be replaced or written anew.
checksum() { cat /tmp/tls.crt /tmp/tls.key 2>/dev/null | cksum; }

# What fails is tried again: the reason may have nothing to do with the files. It is said only once.
reload_on_change() {
  refused=''
  while sleep 10; do
    choose || continue
    now=$(checksum)
    if [ "$now" = "$seen" ]; then
      refused=''
    elif said=$(nginx -s reload 2>&1); then
      seen=$now refused=''
      say 'the certificate has changed; new connections get the new one'
    elif [ "$now" != "$refused" ]; then
      refused=$now
      echo "$said" >&2
      say 'the new certificate cannot be used, see above; the old one stays in use'
    fi
  done
}

if ! [ -x /etc/certificates ]; then
  say '/etc/certificates cannot be read; CERTIFICATE_DIR needs mode 0755'
  exit 1
fi
choose
for file in "$certificate" "$key"; do
  if ! [ -r "$file" ]; then
    say "$file cannot be read; is it there, with mode 0444?"
    exit 1
  fi
done
seen=$(checksum)
reload_on_change &
