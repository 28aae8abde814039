#!/usr/bin/env bash
# Replaces the running version by another one without a failed request.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/deploy.sh [--timeout SECONDS] [--force] TAG
       scripts/deploy.sh [--timeout SECONDS] --rollback | --restart

Releases the version TAG: takes the images …-api:TAG and …-web:TAG that are here, or pulls them if IMAGE_PREFIX names a
registry, or builds them from the working tree. Starts the new API replicas beside the old ones, waits until they are healthy,
lets nginx know them, then drains and removes the old ones one by one. Then writes TAG into the settings, .env.prod,
so that `docker compose up -d` starts that version as well.

If the new replicas do not become healthy, they are removed, the old ones keep serving, and the exit
code is 1. The same holds after Ctrl-C, except while the old ones drain: that is finished first.

--rollback         releases the version before this one
--restart          replaces the API replicas by new ones of the same version, for example to read a changed secret
--force            releases TAG also if it is the running version
--timeout SECONDS  how long new containers may take to get healthy; 60 unless given

nginx is one container, because only one can have the port. If its image or settings have changed, it is replaced, which
interrupts for about a second; otherwise it is left alone, under its old tag, and the next `docker compose up -d` replaces it.
The database is left alone, too. A change of the schema goes first: scripts/apply-schema.sh.
While a replica drains, /healthz can answer 503 through nginx as well: a monitor from outside should ask twice.

Exit codes: 0 released, 1 failed, 2 wrong usage, 3 another release runs
TEXT
}
say() { echo "deploy: $*"; }
fail() {
  echo "deploy: $*" >&2
  exit 1
}
misused() {
  usage >&2
  exit 2
}

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

tag='' action='' force='' timeout=60
while [ $# -gt 0 ]; do
  case $1 in
    --rollback | --restart)
      [ -z "$action$tag" ] || misused
      action=$1
      ;;
    --force) force=yes ;;
    --timeout)
      timeout=${2:-}
      shift
      [[ $timeout =~ ^[1-9][0-9]*$ ]] || misused
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      if [ -n "$action$tag" ] || ! [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]]; then misused; fi
      tag=$1
      ;;
  esac
  shift
done
[ -n "$action$tag" ] || misused
need docker

[ -f "$settings" ] || settings=.env.prod
[ -f "$settings" ] || fail "$settings is not there; for production: scripts/make-secrets.sh makes it"
setting() { sed -n "s/^$1=//p" "$settings" | tail -n 1 | tr -d "\"'"; }
current=$(setting TAG)
[ -n "$current" ] || fail "TAG is not set in $settings; set it to the version that runs now, or to the first one"
case $action in
  --restart) tag=$current force=yes ;;
  --rollback)
    tag=$(setting PREVIOUS_TAG)
    [ -n "$tag" ] || fail "there is nothing to go back to: $settings has no PREVIOUS_TAG, a release writes it"
    ;;
esac

# rotate-password.sh holds the lock itself when it calls this script.
if [ -z "${RELEASE_LOCK_HELD:-}" ]; then
  take_lock scripts/deploy.sh || {
    echo 'deploy: another release or password change runs; wait for it' >&2
    exit 3
  }
fi

export TAG=$tag # goes before the one in the settings
docker compose config --quiet || fail 'the Compose files or settings are wrong, see above; nothing was changed'
image_of() { docker compose config --images | grep -e "-$1:$tag\$" | head -n 1; }
api_image=$(image_of api) web_image=$(image_of web) || fail 'this is not production: compose.prod.yml is not among the Compose files'
replicas=$(docker compose config | sed -n 's/^ *replicas: *//p' | head -n 1)
replicas=${replicas:-1}

containers() { docker compose ps --all --quiet --no-trunc "$1"; }
field() { docker inspect --format "$@"; }

# --- Images -----------------------------------------------------------------------------------------------------------
prefix=${api_image%-api:*}
if docker image inspect "$api_image" "$web_image" >/dev/null 2>&1; then
  say "uses the images $api_image and $web_image that are here"
elif [[ $prefix == *[./]* ]]; then
  say "pulls $api_image and $web_image"
  for image in "$api_image" "$web_image"; do
    docker pull --quiet "$image" || fail 'cannot pull; nothing was changed'
  done
elif [ -n "$action" ]; then # the working tree is another version
  fail "$api_image or $web_image is no longer here; check that version out and release it under a new TAG"
else
  say "builds $api_image and $web_image from the working tree"
  docker compose build --quiet api web || fail 'cannot build; nothing was changed'
fi

# --- What runs --------------------------------------------------------------------------------------------------------
old=() up_to_date=0
for container in $(containers api); do
  # What an interrupted release has left serves nothing: it is stopped, or nginx does not know it.
  if [[ $(field '{{.State.Running}} {{json .NetworkSettings.Networks}}' "$container") != true*_frontend\"* ]]; then
    say 'removes a replica that an earlier release has left'
    docker rm --force "$container" >/dev/null
    continue
  fi
  old+=("$container")
  [ "$(field '{{.Image}}' "$container")" != "$(docker image inspect --format '{{.Id}}' "$api_image")" ] || up_to_date=$((up_to_date + 1))
done

webs=()
for container in $(containers web); do
  if [ "$(field '{{.State.Running}}' "$container")" = true ]; then webs+=("$container"); else docker rm "$container" >/dev/null; fi
done
old_web=${webs[0]:-}

record() {
  [ "$tag" != "$current" ] || return 0
  cp -p "$settings" "$settings.part"
  sed -e '/^PREVIOUS_TAG=/d' -e "s/^TAG=.*/TAG=$tag\\
PREVIOUS_TAG=$current/" "$settings" >"$settings.part"
  mv "$settings.part" "$settings" # at once: never half a file
}

if [ ${#old[@]} = 0 ]; then
  say 'no API runs: starts the whole stack'
  if ! docker compose up -d --wait --wait-timeout "$timeout"; then
    why=$(refusal_of_db 'docker compose ps and docker compose logs say why')
    fail "the stack does not become healthy: $why"
  fi
  record
  say "version $tag runs"
  exit 0
fi
if [ "$tag" = "$current" ] && [ -z "$force" ] && [ -n "$old_web" ] && [ "${#old[@]} $up_to_date" = "$replicas $replicas" ]; then
  say "version $tag runs already; --force replaces it all the same"
  exit 0
fi
project=$(field '{{index .Config.Labels "com.docker.compose.project"}}' "${old[0]}")
frontend=${project}_frontend

# nginx is to be replaced if its image differs, or its settings: those that it was made with, under its own tag, are
# not those of now.
web_changed=yes
if [ -n "$old_web" ]; then
  old_web_tag=$(field '{{.Config.Image}}' "$old_web")
  old_web_tag=${old_web_tag##*:}
  made_with=$(field '{{.Image}} web {{index .Config.Labels "com.docker.compose.config-hash"}}' "$old_web")
  now="$(docker image inspect --format '{{.Id}}' "$web_image") $(TAG=$old_web_tag docker compose config --hash web)"
  if [ "$made_with" = "$now" ]; then
    web_changed=
  else
    say 'nginx has changed: checks its new configuration'
    docker compose run --rm --no-deps -T web nginx -t </dev/null || fail 'nginx refuses it, see above; nothing was changed'
  fi
fi

# --- Release ----------------------------------------------------------------------------------------------------------
# drain CONTAINER: ends a replica, without which nginx goes on.
drain() {
  docker stop --time 30 "$1" >/dev/null &
  # nginx has the address for 2 s more than the container, and would wait for it in vain. But a
  # replica answers 502 for 3 s before it ends, and nginx then leaves it out for 10 s. These
  # requests make nginx see that, also when nobody else asks.
  while kill -0 $! 2>/dev/null; do
    # HTTP, if a proxy in front terminates TLS.
    docker exec "$web" sh -c '
      for n in 1 2 3 4; do
        wget -q -O /dev/null --no-check-certificate https://127.0.0.1/healthz ||
          wget -q -O /dev/null http://127.0.0.1/healthz
      done' \
      >/dev/null 2>&1 || true
    sleep 0.5
  done
  docker rm --force "$1" >/dev/null || say "could not remove $1" >&2
}

new=() stage=starting web=$old_web
undo() {
  status=$? web=$old_web
  trap '' INT TERM
  case $stage in
    starting | serving)
      say 'not released: removes the new replicas, the old ones go on serving' >&2
      for container in $(containers web); do
        [ "$container" = "$old_web" ] || docker rm --force "$container" >/dev/null || true
      done
      [ -z "$old_web" ] || docker start "$old_web" >/dev/null || true
      for container in $(containers api); do
        [[ " ${old[*]} " != *" $container "* ]] || continue
        if [ "$stage" = serving ]; then drain "$container"; else docker rm --force "$container" >/dev/null || true; fi
      done
      ;;
  esac
  exit "$status"
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_until_healthy() {
  local deadline=$((SECONDS + timeout))
  until [ "$(field '{{.State.Health.Status}}' "$@" | grep -cx healthy)" = $# ]; do
    if [ $SECONDS -ge $deadline ]; then
      docker logs --tail 10 "$1" 2>&1 | sed 's/^/  /' >&2
      fail "not healthy after $timeout s; above is the end of its log"
    fi
    sleep 0.5
  done
}

say "starts $replicas new API replicas beside the ${#old[@]} old ones"
# Not --no-deps: Compose would note another configuration, and the next `docker compose up` would replace them all at once.
made=(--scale "api=$((${#old[@]} + replicas))" api)
[ -z "$web_changed" ] || made+=(--scale "web=$((${#webs[@]} + 1))" web)
docker compose up --no-start --no-recreate --no-build "${made[@]}"
for container in $(containers api); do
  [[ " ${old[*]} " == *" $container "* ]] || new+=("$container")
done
[ ${#new[@]} = "$replicas" ] || fail "Compose made ${#new[@]} new replicas instead of $replicas"
for container in "${new[@]}"; do
  # Off nginx's network until it is healthy: nginx asks every address of the name api, whatever answers there.
  docker network disconnect "$frontend" "$container"
done
docker start "${new[@]}" >/dev/null
wait_until_healthy "${new[@]}"

say 'they are healthy: nginx gets to know them'
stage=serving
for container in "${new[@]}"; do
  docker network connect --alias api "$frontend" "$container"
  address=$(field "{{(index .NetworkSettings.Networks \"$frontend\").IPAddress}}" "$container")
  [ -z "$old_web" ] || docker exec "$old_web" wget -q -O /dev/null "http://$address:8080/healthz" \
    || fail "nginx's container cannot reach the new replica at $address"
done
sleep 3 # nginx asks for the addresses every 2 s
if [ -n "$web_changed" ]; then
  say 'replaces nginx, which interrupts for about a second'
  web=$(containers web | grep -vx -e "${old_web:-none}")
  [ -z "$old_web" ] || docker stop "$old_web" >/dev/null
  docker start "$web" >/dev/null
  wait_until_healthy "$web"
fi

stage=draining
trap '' INT TERM # from here on it is quicker, and safer, to finish
[ -z "$web_changed" ] || [ -z "$old_web" ] || docker rm "$old_web" >/dev/null || true
for container in "${old[@]}"; do
  say "drains $(field '{{slice .Name 1}}' "$container")"
  drain "$container"
done
record
stage=finished
say "version $tag runs"
