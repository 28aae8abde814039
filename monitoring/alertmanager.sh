#!/bin/sh
# Appends the receivers to alertmanager.yml, from the environment, then becomes Alertmanager.
# Alertmanager itself reads no variables.
set -eu

fail() {
  echo "taskapp alertmanager: $*" >&2
  exit 1
}

quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; } # a string in YAML

webhook() { # webhook URL
  [ -n "$1" ] || return 0
  cat <<YAML
    webhook_configs:
      - url: $(quoted "$1")
YAML
}

# The password is in a file in production, and otherwise in the environment.
mail_login() {
  [ -n "${ALERT_SMTP_USER:-}" ] || return 0
  echo "        auth_username: $(quoted "$ALERT_SMTP_USER")"
  if [ -n "${ALERT_SMTP_PASSWORD_FILE:-}" ]; then
    echo "        auth_password_file: $(quoted "$ALERT_SMTP_PASSWORD_FILE")"
  else
    echo "        auth_password: $(quoted "${ALERT_SMTP_PASSWORD:-}")"
  fi
}

mail() {
  [ -n "${ALERT_MAIL_TO:-}" ] || return 0
  cat <<YAML
    email_configs:
      - to: $(quoted "$ALERT_MAIL_TO")
        from: $(quoted "$ALERT_MAIL_FROM")
        smarthost: $(quoted "$ALERT_SMTP_HOST")
        require_tls: $require_tls
        send_resolved: true
YAML
  mail_login
}

receivers() {
  echo 'receivers:'
  echo '  - name: people'
  mail
  webhook "${ALERT_WEBHOOK_URL:-}"
  echo '  - name: dead-mans-switch'
  webhook "${ALERT_HEARTBEAT_URL:-}"
}

if [ -n "${ALERT_MAIL_TO:-}" ]; then
  for value in "${ALERT_MAIL_FROM:-}" "${ALERT_SMTP_HOST:-}"; do
    [ -n "$value" ] \
      || fail 'ALERT_MAIL_TO is set, so set ALERT_MAIL_FROM and ALERT_SMTP_HOST (host:port) as well'
  done
fi
if [ -n "${ALERT_SMTP_USER:-}" ] && [ -n "${ALERT_SMTP_PASSWORD_FILE:-}" ]; then
  [ -s "$ALERT_SMTP_PASSWORD_FILE" ] \
    || fail 'ALERT_SMTP_USER is set, so write its password into secrets/alert_smtp_password'
fi
case ${ALERT_SMTP_TLS:-on} in
  on) require_tls=true ;;
  off) require_tls=false ;;
  *) fail "ALERT_SMTP_TLS is '$ALERT_SMTP_TLS'; set it to on or off" ;;
esac
if [ -z "${ALERT_MAIL_TO:-}${ALERT_WEBHOOK_URL:-}" ]; then
  echo 'taskapp alertmanager: no receiver is set (ALERT_MAIL_TO, ALERT_WEBHOOK_URL):' \
    'alerts are shown, but sent to nobody' >&2
fi

umask 077
{
  cat /etc/alertmanager/routes.yml
  receivers
} >/tmp/alertmanager.yml
exec alertmanager --config.file=/tmp/alertmanager.yml "$@"
