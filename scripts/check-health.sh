#!/usr/bin/env bash
# Checks the health of the service: its containers, its answers, and the machine it runs on.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/check-health.sh [--json] [--url URL]

Checks each container, three endpoints, the machine, and the database: its schema, its id sequence
and its passwords.
Prints one line per check: [OK], [FAIL], or [SKIP] with the reason. Root can check more than other
users.

--json     prints one JSON object: {"failures": 0, "checks": [CHECK, ...]}, where CHECK is
           {"section", "name", "status", "detail"}
--url URL  checks this address instead of the published port of nginx

The backups are in backups/, or in the directory that BACKUP_DIR names.
Exit code: the number of failures, at most 125; 0 if nothing failed
TEXT
}

json=no url=''
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --url)
      url=${2:?"--url needs an address, for example https://tasks.example.org"}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 125
      ;;
  esac
  shift
done

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh
PATH=$PATH:/usr/sbin:/sbin # for ufw: the PATH of a user may lack them

readonly backup_hours=26 # a backup each day, and two hours to make it
readonly disk_percent=90
readonly certificate_days=14

failures=0 section='' checks=()
green='' red='' yellow='' plain='' # colours only on a terminal
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  green=$'\e[32m' red=$'\e[31m' yellow=$'\e[33m' plain=$'\e[0m'
fi

json_string() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[[:cntrl:]]/ }"
}

json_check() { # json_check SECTION NAME STATUS DETAIL
  printf '{"section":%s,"name":%s,"status":"%s","detail":%s}' \
    "$(json_string "$1")" "$(json_string "$2")" "$3" "$(json_string "$4")"
}

begin() { # begin SECTION
  section=$1
  if [ "$json" = no ]; then printf '%s\n' "$section"; fi
}

report() { # report STATUS NAME DETAIL: the result of one check
  local colour=$green
  case $1 in
    FAIL) colour=$red failures=$((failures + 1)) ;;
    SKIP) colour=$yellow ;;
  esac
  if [ "$json" = no ]; then
    printf '  %s%-6s%s %s: %s\n' "$colour" "[$1]" "$plain" "$2" "$3"
  else
    checks+=("$(json_check "$section" "$2" "$1" "$3")")
  fi
}

last_line() { printf '%s' "${1##*$'\n'}"; }

# Every command has a time limit: a health check is most needed when something else hangs.
engine=''
find_engine() {
  if ! installed docker; then
    engine_fault='docker is not installed; scripts/provision.sh installs it'
  elif ! engine=$(timeout 20 docker info --format '{{.ServerVersion}}' 2>&1); then
    engine_fault="the engine does not answer: $(last_line "${engine:-nothing within 20 s}")"
    engine=''
  fi
}

# --- containers ----------------------------------------------------------------------------------

# The services, each with the number of containers it should have.
wanted_containers() {
  timeout 20 docker compose config 2>"$work/error" | awk '
    /^[a-z]/ { services = $1 == "services:" }
    services && /^  [^ ]+:$/ { service = substr($1, 1, length($1) - 1); wanted[service] = 1 }
    services && /^      replicas: / { wanted[service] = $2 }
    END { for (service in wanted) print service, wanted[service] }' | sort >"$work/wanted"
}

# said_by_health_check CONTAINER: the last line that its health check printed.
said_by_health_check() {
  local outputs='{{range .State.Health.Log}}{{println .Output}}{{end}}'
  timeout 20 docker inspect --format "$outputs" "$1" 2>/dev/null | grep . | tail -n 1 || true
}

# Writes a line per container: SERVICE|NUMBER|ONE_OFF|STATE|HEALTH|EXIT_CODE|ID. It asks for each
# id, because `ps --format json` prints an array before Compose 2.21, and later an object per line.
list_containers() {
  local ids id fields label='index .Config.Labels "com.docker.compose'
  ids=$(timeout 20 docker compose ps --all --quiet 2>"$work/error") || return
  fields="{{$label.service\"}}|{{$label.container-number\"}}|{{$label.oneoff\"}}"
  fields+='|{{.State.Status}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}'
  fields+='|{{.State.ExitCode}}'
  fields+='|{{.ID}}' # not .Id: with that, a container without a health check is an error
  for id in $ids; do
    # A container that was removed meanwhile is left out.
    timeout 20 docker inspect --format "$fields" "$id" 2>/dev/null || true
  done | sort >"$work/containers"
}

check_container() { # check_container SERVICE NUMBER STATE HEALTH EXIT_CODE ID
  local name=$1-$2 said why="see docker compose logs $1"
  if [ "$1" = db ] && [ "$4" != healthy ]; then why=$(refusal_of_db "$why"); fi
  case $3/$4 in
    running/healthy) report OK "$name" 'running, healthy' ;;
    running/) report OK "$name" 'running, has no health check' ;;
    running/*)
      said=$(said_by_health_check "$6")
      report FAIL "$name" "running, but $4${said:+: $said}; $why"
      ;;
    *) report FAIL "$name" "$3, exit code $5; $why" ;;
  esac
}

check_containers() {
  local id service number one_off state health code count found=()
  if [ -z "$engine" ]; then
    report SKIP containers 'no Docker Engine answers'
    return
  fi
  if ! wanted_containers || ! list_containers; then
    report FAIL containers "docker compose: $(last_line "$(<"$work/error")")"
    return
  fi
  while IFS='|' read -r service number one_off state health code id; do
    [ "$one_off" != True ] || continue # `docker compose run`
    found+=("$service")
    check_container "$service" "$number" "$state" "$health" "$code" "$id"
  done <"$work/containers"
  while read -r service number; do
    count=$(printf '%s\n' ${found[@]+"${found[@]}"} | grep -cx "$service") || true
    if [ "$count" -lt "$number" ]; then
      report FAIL "$service" "$count of $number containers; start it with $as_typed up -d"
    fi
  done <"$work/wanted"
}

# --- endpoints -----------------------------------------------------------------------------------

published() { # published PORT: the address on which others reach nginx's port
  local address
  address=$(timeout 20 docker compose port web "$1" 2>/dev/null) || return 1
  case $address in
    '' | *:0) return 1 ;;
    0.0.0.0:*) echo "127.0.0.1:${address##*:}" ;;
    '[::]':*) echo "[::1]:${address##*:}" ;;
    *) echo "$address" ;;
  esac
}

# ask PATH [HEADER [OPTION...]]: sets status (000 if nothing answered) and body. curl gets the
# header on standard input, because everybody on the machine can read its arguments.
ask() {
  local options=(--silent --show-error --max-time 5 --noproxy '*' --header @- ${3+"${@:3}"})
  options+=(--output "$work/body" --write-out '%{http_code}')
  status=$(printf '%s\n' "${2:-}" | curl "${options[@]}" "$url$1" 2>"$work/error") || true
  body=$(head -c 200 "$work/body" 2>/dev/null | tr -d '\0' || true)
  rm -f "$work/body"
}

judge() { # judge PATH START_OF_THE_BODY: reports on what ask found
  if [ "$status" = 000 ]; then
    report FAIL "$1" "no answer from $url: $(last_line "$(<"$work/error")")"
  elif [ "$status" = 200 ] && [[ $body == "$2"* ]]; then
    report OK "$1" "200 from $url"
  else
    report FAIL "$1" "$status from $url: ${body:-no body}"
  fi
}

secrets_directory() {
  local directory=${SECRETS_DIR:-$(setting SECRETS_DIR 2>/dev/null)}
  echo "${directory:-secrets}"
}

# own_certificate SECRETS_DIRECTORY: the one that nginx uses, or else the one in the secrets.
own_certificate() {
  timeout 20 docker compose exec -T web cat /tmp/tls.crt 2>/dev/null || cat "$1/tls.crt"
}

# ask_with_token PATH TOKEN_FILE: with the first token of the file. Over TLS, sends it only to a
# server that holds the key of our own certificate, whatever name that certificate has, or whose
# certificate this machine trusts.
ask_with_token() {
  local header key=$work/key
  header="Authorization: Bearer $(head -n 1 "$2")"
  if own_certificate "${2%/*}" 2>/dev/null | openssl x509 -noout -pubkey >"$key" 2>/dev/null; then
    ask "$1" "$header" --insecure --pinnedpubkey "$key"
    [ "$status" = 000 ] || return 0
  fi
  ask "$1" "$header"
}

check_tasks() {
  local path='/api/tasks?limit=1' file safe='^https:|^http://(127\.0\.0\.1|localhost)([:/]|$)'
  ask "$path" '' --insecure
  if [ "$status" = 401 ]; then # sends the token only if it is asked for
    file=$(secrets_directory)/api_token
    if [ ! -r "$file" ]; then
      report SKIP "$path" "wants the API token, and $file cannot be read; run as its owner"
      return
    elif [ "$own_port" = no ] && [[ ! $url =~ $safe ]]; then
      report SKIP "$path" \
        'wants the API token, which is sent to other machines only over TLS; use an https address'
      return
    fi
    ask_with_token "$path" "$file"
  fi
  judge "$path" '{"tasks":['
}

# Sets url to the published port of nginx, and own_port. If there is none, reports that, returns 1.
find_url() {
  local address
  if [ -z "$engine" ]; then
    report SKIP endpoints 'no Docker Engine says where nginx is published'
    return 1
  fi
  if address=$(published 443); then
    url=https://$address
  elif address=$(published 80); then
    url=http://$address
  else
    report FAIL endpoints 'nginx is not published: web is not running'
    return 1
  fi
  own_port=yes
}

check_endpoints() {
  if ! installed curl; then
    report FAIL endpoints 'curl is not installed'
    return
  fi
  [ -n "$url" ] || find_url || return 0
  ask /nginx-health '' --insecure # the certificate names the public host, not 127.0.0.1
  judge /nginx-health healthy
  ask /healthz '' --insecure
  healthz=$body
  judge /healthz '{"status":"healthy"}'
  check_tasks
}

# --- database ------------------------------------------------------------------------------------

# Runs the SQL on standard input as the owner.
sql_in_db() {
  # shellcheck disable=SC2016 # variables of the container
  timeout 20 docker compose exec -T db sh -c \
    'exec psql -XAtq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"' 2>/dev/null
}

# Reports whether the database lacks a migration, or something that db/init makes or that the API
# uses. The API looks for what it uses at each /healthz.
check_schema() {
  local names versions missing pending mend="$as_typed run --rm migrate"
  names=$(
    sed -nE 's/^CREATE (UNIQUE )?(TABLE|INDEX) ([a-z_]+) .*/\3/p' db/init/*.sql | paste -s -d , -
  )
  names="SELECT name FROM unnest('{$names}'::text[]) AS name WHERE to_regclass(name) IS NULL"
  if ! missing=$(sql_in_db <<<"$names"); then
    report SKIP schema 'db does not answer'
    return
  fi
  if [ -z "$missing" ] && [[ $healthz == *'older than the code'* ]]; then
    missing=$(timeout 20 docker compose logs --no-log-prefix --tail 200 api 2>/dev/null \
      | sed -n 's/.*SchemaOutdated: \(.*\) does not exist.*/\1/p' | tail -n 1) || true
    missing=${missing:-what docker compose logs api names}
  fi
  versions=$(cd db/migrations && printf '%s\n' [0-9]*.sql | sed 's/[^0-9].*//' | paste -s -d , -)
  versions="SELECT unnest('{$versions}'::text[]) EXCEPT SELECT version"
  pending=$(sql_in_db <<<"$versions FROM dbmate.schema_migrations ORDER BY 1") || pending=any
  missing=${missing//$'\n'/, }
  if [ -n "$pending" ]; then
    missing=${missing:+lacks $missing and }
    report FAIL schema "${missing}has not had ${pending//$'\n'/, } of db/migrations; $mend runs them"
  elif [ -n "$missing" ]; then
    report FAIL schema "lacks $missing, although it has had all of db/migrations, for example because\
 pg_restore --clean brought back older tables; $mend --again runs them again"
  else
    report OK schema 'has what db/init makes'
  fi
}

# After an import of rows with ids, the sequence yields ids that are taken, so new tasks fail.
check_sequence() {
  local name=tasks_id_seq next query behind
  next="SELECT last_value + is_called::int FROM $name"
  query="SELECT coalesce(max(id) >= ($next), false) FROM tasks"
  behind=$(sql_in_db <<<"$query") || true
  case $behind in
    f) report OK "$name" 'is past all rows' ;;
    t)
      report FAIL "$name" \
        "is behind the rows, so new tasks fail; $as_typed run --rm migrate sets it past them"
      ;;
    *) report SKIP "$name" 'db does not answer or has no such table' ;;
  esac
}

# The owner's password takes effect on the first start only, and the API does not use it. So only
# this check shows that a later change had no effect.
check_owner_password() {
  local name='password of the owner' change='scripts/rotate-password.sh owner changes both'
  local id state started_with present address
  id=$(timeout 20 docker compose ps --quiet db 2>/dev/null) || true
  state=$(timeout 20 docker inspect --format '{{.State.Health.Status}}' "$id" 2>/dev/null) || true
  if [ "$state" != healthy ]; then
    report SKIP "$name" 'db is not healthy'
    return
  fi
  started_with=$(timeout 20 docker inspect \
    --format 'db {{index .Config.Labels "com.docker.compose.config-hash"}}' "$id")
  present=$(timeout 20 docker compose config --hash db)
  if [ "$started_with" != "$present" ]; then
    report SKIP "$name" "the settings have changed since db was started; run $as_typed up -d"
    return
  fi
  if ! address=$(address_of_db "$id"); then
    report SKIP "$name" 'db does not say where it listens'
    return
  fi
  # shellcheck disable=SC2016 # variables of the container
  if timeout 20 docker exec "$id" sh -c '
    PGPASSWORD=${POSTGRES_PASSWORD:-$(cat /run/secrets/postgres_password)} \
      psql -Xw -h "$1" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "SELECT 1"' \
    - "$address" >/dev/null 2>&1; then
    report OK "$name" 'as in the settings'
  else
    report FAIL "$name" \
      "differs from the settings, which take effect on the first start only; $change"
  fi
}

on_a_server() {
  [ -f .env.prod ] || means_production .env || [[ ${COMPOSE_FILE:-} == *compose.prod.yml* ]]
}

# The lab's initial passwords. With them, anybody who reaches the database of a server could log in.
check_published_passwords() {
  local name='published passwords' logins
  cat db/published-passwords.sql - >"$work/sql" <<<"SELECT 'end';"
  logins=$(sql_in_db <"$work/sql") || true
  if [ "$(last_line "$logins")" != end ]; then
    report SKIP "$name" 'the database does not answer, or it is a standby: see its primary'
    return
  fi
  logins=${logins%end}
  logins=${logins%$'\n'}
  logins=${logins//$'\n'/, }
  if [ -z "$logins" ]; then
    report OK "$name" 'no login has one'
  elif on_a_server; then
    report FAIL "$name" "$logins can log in with one; run scripts/rotate-password.sh all"
  else
    report SKIP "$name" "this is a lab, not a server; here $logins can log in with one"
  fi
}

# --- the machine ---------------------------------------------------------------------------------

check_docker() {
  if [ -n "$engine" ]; then
    report OK docker "Engine $engine"
  else
    report FAIL docker "$engine_fault"
  fi
}

check_firewall() {
  local output
  if installed ufw; then
    output=$(LC_ALL=C timeout 10 ufw status 2>&1) || true
    case $output in
      *'Status: active'*) report OK ufw active ;;
      *'need to be root'*) report SKIP ufw 'only root can see its state' ;;
      *'Status: inactive'*) report FAIL ufw 'inactive; scripts/provision.sh enables it' ;;
      *) report FAIL ufw "$(last_line "$output")" ;;
    esac
  elif installed firewall-cmd; then
    output=$(timeout 10 firewall-cmd --state 2>&1) || true
    case $output in
      running) report OK firewalld running ;;
      *[Aa]uthoriz* | *denied*) report SKIP firewalld 'only root can see its state' ;;
      *) report FAIL firewalld "$(last_line "$output")" ;;
    esac
  else
    report SKIP ufw 'not installed, and neither is firewalld'
  fi
}

check_fail2ban() {
  local output
  if ! installed fail2ban-client; then
    report SKIP fail2ban 'not installed'
    return
  fi
  output=$(timeout 10 fail2ban-client ping 2>&1) || true
  case $output in
    *pong*) report OK fail2ban running ;;
    *'must be root'*) report SKIP fail2ban 'only root can see its state' ;;
    *) report FAIL fail2ban "$(last_line "$output")" ;;
  esac
}

check_backup_timer() {
  local timer=taskapp-backup.timer state
  state=$(timeout 10 systemctl is-system-running 2>/dev/null) || true
  if [ -z "$state" ] || [ "$state" = offline ]; then
    report SKIP 'backup timer' 'systemd does not run here'
    return
  fi
  if ! timeout 10 systemctl cat "$timer" >/dev/null 2>&1; then
    report SKIP 'backup timer' "$timer is not installed; scripts/provision.sh installs it"
    return
  fi
  timer_installed=yes
  state=$(timeout 10 systemctl is-active "$timer" 2>/dev/null) || true
  if [ "$state" = active ]; then
    report OK 'backup timer' active
  else
    report FAIL 'backup timer' "$state; start it with systemctl enable --now $timer"
  fi
}

check_backup() {
  local directory=${BACKUP_DIR:-backups} name='newest backup' newest
  if [ -d "$directory" ] && [ ! -r "$directory" ]; then
    report SKIP "$name" "$directory cannot be read; run as its owner"
    return
  fi
  newest=$(newest_backup "$directory")
  if [ -n "$newest" ] && is_younger "$newest" "$backup_hours"; then
    report OK "$name" "$newest"
  elif [ -n "$engine" ] && [ "$(sql_in_db <<<'SELECT pg_is_in_recovery()')" = t ]; then
    report SKIP "$name" 'the database is a standby: see the machine of its primary'
  elif [ -n "$newest" ]; then
    report FAIL "$name" "$newest is older than $backup_hours hours;\
 see journalctl -u taskapp-backup, or run scripts/backup.sh"
  elif [ -d "$directory" ] || [ -f .env.prod ] || [ "$timer_installed" = yes ]; then
    report FAIL "$name" "no verified one in $directory; run scripts/backup.sh"
  else
    report SKIP "$name" "no $directory here: this is not a server"
  fi
}

check_certificate() {
  local file=$work/certificate server end
  case $url in
    https:*) ;;
    '')
      report SKIP certificate 'no endpoint was found'
      return
      ;;
    *)
      report SKIP certificate 'TLS is off'
      return
      ;;
  esac
  if ! installed openssl; then
    report SKIP certificate 'openssl is not installed'
    return
  fi
  server=$(sed 's,^https://,,; s,/.*,,; /:[0-9]*$/!s/$/:443/' <<<"$url") # HOST:PORT
  timeout 10 openssl s_client -connect "$server" </dev/null >"$file" 2>/dev/null || true
  if ! end=$(openssl x509 -noout -enddate -in "$file" 2>/dev/null); then
    report FAIL certificate "$url shows none"
    return
  fi
  end=${end#notAfter=}
  if openssl x509 -noout -checkend $((certificate_days * 86400)) -in "$file" >/dev/null; then
    report OK certificate "until $end"
  else
    report FAIL certificate "ends $end; renew it"
  fi
}

others_can_read() { # others_can_read FILE: whether others can; FILE may be a link
  [ -f "$1" ] && [ -n "$(find -L "$1" \( -perm -040 -o -perm -004 \))" ]
}

check_settings() {
  local file open=()
  if [ ! -f .env ] && [ ! -f .env.prod ]; then
    report SKIP settings 'there is no .env'
    return
  fi
  for file in .env .env.prod; do
    if others_can_read "$file"; then open+=("$file"); fi
  done
  if [ -f .env.prod ] && ! means_production .env; then
    report FAIL settings "docker compose would start development here; run scripts/make-secrets.sh"
  elif [ -f .env.prod ] && [ "$(grep '^TAG=' .env)" != "$(grep '^TAG=' .env.prod)" ]; then
    report FAIL settings '.env and .env.prod differ in TAG; make .env a link: ln -sf .env.prod .env'
  elif [ "${#open[@]}" -gt 0 ]; then
    report FAIL settings "others can read ${open[*]}; run chmod 600 ${open[*]}"
  else
    report OK settings "in $settings, which others cannot read"
  fi
}

check_disk() { # check_disk NAME DIRECTORY
  local used why="the limit is $disk_percent %; docker system df shows what could go"
  used=$(timeout 10 df -P "$2" 2>/dev/null | awk 'NR == 2 { sub("%", "", $5); print $5 }') || true
  case $used in
    '' | *[!0-9]*) report SKIP "$1" "df says nothing about $2" ;;
    *)
      if [ "$used" -lt "$disk_percent" ]; then
        report OK "$1" "$used % used"
      else
        report FAIL "$1" "$used % used, $why"
      fi
      ;;
  esac
}

# Mounted files keep their modes in the containers, where users other than the owner must be able to
# read them. A clone made under umask 077, or a copy unpacked without x bits, has the wrong modes.
check_mounted_files() {
  local name='mounted files' unfit
  unfit=$(
    find api/src db monitoring \( -type d ! -perm -005 -o -type f ! -perm -004 \) -print
    find db/postgres-without-password.sh ! -perm -001 -print # the others are run by a shell
  )
  if [ -z "$unfit" ]; then
    report OK "$name" 'the containers can read them'
    return
  fi
  report FAIL "$name" "the containers cannot read or run: ${unfit//$'\n'/, };\
 run chmod -R a+rX api/src db monitoring && chmod a+x db/*.sh"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
engine_fault='' timer_installed=no healthz='' own_port=no
find_engine

begin Containers
check_containers
begin Endpoints
check_endpoints
begin System
check_docker
check_firewall
check_fail2ban
check_backup_timer
check_backup
check_certificate
check_settings
check_disk 'disk of the repository' .
if [ -d /var/lib/docker ]; then check_disk 'disk of Docker' /var/lib/docker; fi
check_mounted_files
if [ -n "$engine" ]; then
  begin Database
  check_schema
  check_sequence
  check_owner_password
  check_published_passwords
fi

if [ "$json" = yes ]; then
  (
    IFS=,
    printf '{"failures":%s,"checks":[%s]}\n' "$failures" "${checks[*]}"
  )
else
  echo "$failures failed"
fi
exit $((failures > 125 ? 125 : failures))
