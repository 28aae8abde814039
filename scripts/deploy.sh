#!/usr/bin/env bash
# Replaces the running version with another one, without a failed request unless nginx changes.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/deploy.sh [--timeout SECONDS] [--force] [--pull] TAG
       scripts/deploy.sh [--timeout SECONDS] --rollback | --restart

Releases the version TAG. Uses the images …-api:TAG and …-web:TAG if this machine has them, unless
they come from a release of TAG that failed. Otherwise pulls them if IMAGE_PREFIX names a registry,
or else builds them from the working tree.
Runs the migrations of the working tree that the database has not had; if one fails, nothing is
replaced. Starts the new API replicas beside the old ones, waits until they are healthy, connects
them to nginx, then drains and removes the old ones one by one. Then writes TAG into the settings,
.env.prod, so that `docker compose up -d` starts that version as well. The logs of the removed
containers stay in logs/ for 30 days. Removes images that were built more than 30 days ago, but
never one of another project, one that a container uses, or that of the previous version. Also
removes build cache that was not used for 30 days.

If the new replicas do not become healthy, they are removed, the old ones keep serving, and the exit
code is 1. Ctrl-C or a lost session undoes the release too, until the old replicas start to drain.
From then on both are ignored, and the release finishes. Migrations that have run always stay.

--rollback         releases the version before this one
--restart          replaces the API replicas with new ones of the same version, for example to read
                   a changed secret
--force            releases TAG even if it is the running version, or if the migrations that would
                   run are from another commit than its images
--pull             updates the base images: builds TAG on the newest ones, or pulls TAG if
                   IMAGE_PREFIX names a registry. TAG must be new. Then pulls the images that are
                   not built here, and restarts db and the other services that have a newer one;
                   while db restarts, the API answers 503 or 504
--timeout SECONDS  how long new containers may take to become healthy (default: 60)

There is one nginx container, because only one can bind the port. If its image or settings have
changed, a trial container that publishes no port must first become healthy beside it. Replacing it
then interrupts the service for about a second. An unchanged nginx keeps running under its old tag,
and the next `docker compose up -d` replaces it. Without --pull, the container of the database is
not touched. --rollback and --restart run no migrations.
While a replica drains, /healthz can answer 503 through nginx as well: a monitor from outside should
ask twice.

Exit codes: 0 released, 1 failed, 2 wrong usage, 3 another release or password change
is running
TEXT
}
say() { echo "deploy: $*" || exec >/dev/null 2>&1; } # a lost session must not end the script

cd "$(dirname "$0")/.."
. scripts/compose.sh
. scripts/portable.sh

tag='' action='' force='' pull='' timeout=60
while [ $# -gt 0 ]; do
  case $1 in
    --rollback | --restart)
      [ -z "$action$tag" ] || misused
      action=$1
      ;;
    --force) force=yes ;;
    --pull) pull=yes ;;
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
      [ -z "$action$tag" ] || misused
      [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || misused
      tag=$1
      ;;
  esac
  shift
done
[ -n "$action$tag" ] || misused
[ -z "$action" ] || [ -z "$pull" ] || misused
need docker

[ -f "$settings" ] || [ -n "${COMPOSE_ENV_FILES:-}" ] \
  || export COMPOSE_ENV_FILES=.env.prod settings=.env.prod
[ -f "$settings" ] \
  || fail "$settings is not there; scripts/make-secrets.sh makes it for production"

# rotate-password.sh holds the lock itself when it calls this script.
if [ -z "${RELEASE_LOCK_HELD:-}" ]; then
  take_lock . || {
    echo 'deploy: another release or password change is running; wait for it' >&2
    exit 3
  }
fi

unset TAG PREVIOUS_TAG # those of the settings count
wrong_settings='the Compose files or settings are wrong, see above; nothing was changed'
current=$(setting TAG) || fail "$wrong_settings"
[ -n "$current" ] \
  || fail "TAG is not set in $settings; set it to the version that runs now, or to the first one"
previous=$(setting PREVIOUS_TAG)
case $action in
  --restart) tag=$current force=yes ;;
  --rollback)
    tag=$previous
    [ -n "$tag" ] \
      || fail "there is nothing to go back to: $settings has no PREVIOUS_TAG; a release writes it"
    ;;
esac

export TAG=$tag # overrides the one in the settings
docker compose config --quiet || fail "$wrong_settings"
find_project

image_of() { docker compose config --images | grep -e "-$1:$tag\$" | head -n 1; }
id_of_image() { docker image inspect --format '{{.Id}}' "$1"; }
field() { docker inspect --format "$@"; }

not_production='this is not production: compose.prod.yml is not among the Compose files'
api_image=$(image_of api) || fail "$not_production"
web_image=$(image_of web) || fail "$not_production"
replicas=$(docker compose config | sed -n 's/^ *replicas: *//p' | head -n 1)
replicas=${replicas:-1}

# --- Images --------------------------------------------------------------------------------------
# unreleased IMAGE: prints the second name that an image has until its version is released.
unreleased() { echo "${1%:*}-unreleased:$tag"; }

is_here() { # is_here IMAGE: this machine has it, and not from a release that failed
  local id
  id=$(id_of_image "$1" 2>/dev/null) || return
  [ -n "$action" ] || [ "$id" != "$(id_of_image "$(unreleased "$1")" 2>/dev/null)" ]
}

get_images() {
  local prefix=${api_image%-api:*} image
  if is_here "$api_image" && is_here "$web_image"; then
    [ -z "$pull" ] || fail "--pull needs a new TAG: this machine has the images of $tag already"
    say "using the images $api_image and $web_image of this machine"
    return
  elif [[ $prefix == *[./]* ]]; then
    say "pulling $api_image and $web_image"
    for image in "$api_image" "$web_image"; do
      docker pull --quiet "$image" || fail 'cannot pull; nothing was changed'
    done
  elif [ -n "$action" ]; then # the working tree may have another version
    fail "$api_image or $web_image is no longer here;" \
      'check that version out and release it under a new TAG'
  elif is_here "$api_image" || is_here "$web_image"; then # a build would replace a released one
    fail "only one of $api_image and $web_image is here; release under a new TAG, or, if $tag has" \
      'never been released, remove that image with docker image rm'
  else
    say "building $api_image and $web_image from the working tree"
    REVISION=$(git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null) || true
    export REVISION
    if ! docker compose build --quiet ${pull:+--pull} api web; then
      mark_unreleased 2>/dev/null || true # one may have been built
      fail "cannot build${pull:+, or the registry does not answer}; nothing was changed"
    fi
  fi
  mark_unreleased
}
mark_unreleased() {
  docker tag "$api_image" "$(unreleased "$api_image")"
  docker tag "$web_image" "$(unreleased "$web_image")"
}

# Removes images of old versions, and build cache that no build has used for as long. Images from a
# registry have no project in their labels.
prune() {
  local image name of filters=() until=until=720h label=com.docker.compose.project
  for name in api web api-unreleased web-unreleased; do
    filters+=(--filter "reference=${api_image%-api:*}-$name")
  done
  filters+=(--filter "$until" --format '{{.Repository}}:{{.Tag}}')
  for image in $(docker image ls "${filters[@]}"); do
    of=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$image") || continue
    [ "${of:-$project}" = "$project" ] || continue
    case ${image##*:} in
      "$tag" | "$current" | "$previous") ;;
      *) docker image rm "$image" >/dev/null 2>&1 || true ;; # refused if a container uses it
    esac
  done
  docker image prune --force --filter "$until" --filter "label=$label=$project" >/dev/null
  docker builder prune --force --filter "$until" >/dev/null
}

# --- What runs -----------------------------------------------------------------------------------
serves() { # serves CONTAINER: whether it runs in nginx's network
  local state='{{.State.Running}} {{json .NetworkSettings.Networks}}'
  [[ $(field "$state" "$1") == true*_frontend\"* ]]
}

# Docker deletes a log with its container, but it may be needed after the release.
keep_log() { # keep_log CONTAINER
  local name file
  name=$(field '{{slice .Name 1}}' "$1") || return
  file=logs/$name-$(date -u +%Y%m%dT%H%M%SZ).log.gz
  mkdir -p -m 700 logs || return
  (umask 077 && docker logs --timestamps "$1" 2>&1 | gzip >"$file.part") || return
  mv "$file.part" "$file" || return
  find logs -name '*.log.gz*' -mtime +30 -exec rm -f '{}' +
}

remove() { # remove CONTAINER: never fails, and keeps the log
  keep_log "$1" || say "could not keep the log of $1" >&2
  docker rm --force "$1" >/dev/null || say "could not remove $1" >&2
}

# Sets old (the replicas that serve) and up_to_date (how many of them have the new image). Removes
# what an interrupted release has left.
old=() up_to_date=0
find_replicas() {
  local container all
  all=$(containers api)
  for container in $all; do
    if ! serves "$container"; then
      say 'removing a replica that an earlier release has left'
      remove "$container"
      continue
    fi
    old+=("$container")
    if [ "$(field '{{.Image}}' "$container")" = "$(id_of_image "$api_image")" ]; then
      up_to_date=$((up_to_date + 1))
    fi
  done
}

webs=()
find_webs() {
  local container
  for container in $(containers web); do
    if [ "$(field '{{.State.Running}}' "$container")" = true ]; then
      webs+=("$container")
    else
      remove "$container"
    fi
  done
}

runs_already() {
  [ "$tag" = "$current" ] && [ -n "$old_web" ] \
    && [ ${#old[@]} = "$replicas" ] && [ "$up_to_date" = "$replicas" ]
}

content_of_image() { # content_of_image IMAGE: prints the same for all commits that do not change it
  docker image inspect --format '{{json .RootFS}} {{json .Config}}' "$1" \
    | sed 's/"org.opencontainers.image.revision":"[^"]*"//'
}

# Sets web_changed: whether nginx must be replaced, because its image or its settings have changed.
# The hash of the settings includes the tag, so it is computed with the tag that nginx runs under.
web_changed=yes
compare_web() {
  local hash='{{index .Config.Labels "com.docker.compose.config-hash"}}'
  local old_image made_with now
  [ -n "$old_web" ] || return 0
  old_image=$(field '{{.Config.Image}}' "$old_web")
  made_with="$(content_of_image "$(field '{{.Image}}' "$old_web")") $(field "web $hash" "$old_web")"
  now="$(content_of_image "$web_image") $(TAG=${old_image##*:} docker compose config --hash web)"
  if [ "$made_with" = "$now" ]; then
    web_changed=
  fi
}

# Writes the tag into the settings. From now on, the images are those of a released version.
record() {
  [ "$tag" = "$current" ] || write_settings "TAG=$tag" "PREVIOUS_TAG=$current"
  docker image rm "$(unreleased "$api_image")" "$(unreleased "$web_image")" >/dev/null 2>&1 || true
}

# Pulls what is not built here, and restarts what has a newer image.
update_services() {
  local services image before=''
  services=$(docker compose ps --services | grep -vx -e api -e web) || return 0
  if grep -qx db <<<"$services"; then before=$(field '{{.Image}}' "$(containers db)"); fi
  say "pulling the images of the other services"
  # shellcheck disable=SC2086 # names of services
  docker compose pull --quiet --ignore-buildable $services || return
  if [ -n "$before" ] && ! start_db; then
    docker compose logs --no-color --tail 10 db >&2
    image=$(docker compose config --images db)
    if docker tag "$before" "$image" && start_db; then
      say "the newer $image did not become healthy, see above; the older one runs again" >&2
    else
      say "neither the newer $image, see above, nor the older one becomes healthy" >&2
    fi
    return 1
  fi
  # shellcheck disable=SC2086
  docker compose up -d --no-deps --no-build $services
}
start_db() { docker compose up -d --no-deps --no-build --wait --wait-timeout "$timeout" db; }

complete() {
  if [ -n "$pull" ]; then
    undisturbed update_services \
      || fail "version $tag is running, but other images are not the newest ones, see above"
  fi
  undisturbed prune || say 'could not remove old images, see above' >&2
  say "version $tag is running"
}

# The old version goes on serving meanwhile, and works with the new schema: docs/migrations.md.
migrate() {
  local built here label=org.opencontainers.image.revision
  [ -z "$action" ] || return 0
  built=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$api_image")
  built=${built%-dirty}
  here=$(git rev-parse HEAD 2>/dev/null) || here=$built
  if [ -z "$force" ] && [ -n "$built" ] && [ "$built" != "$here" ]; then
    # This command ends with 1 if some are pending.
    docker compose run --rm --no-TTY migrate status --quiet </dev/null || [ $? != 1 ] \
      || fail "the working tree has migrations that have not run, and $api_image is of another" \
        "commit, $built. Check that commit out first, or add --force; nothing was replaced"
  fi
  say 'running the migrations that the database has not had'
  docker compose run --rm --no-TTY migrate </dev/null \
    || fail 'the database is not migrated, see above; nothing was replaced'
}

start() { # start SERVICE...
  local why
  if ! docker compose up -d --wait --wait-timeout "$timeout" "$@"; then
    why=$(refusal_of_db 'docker compose ps and docker compose logs say why')
    fail "the stack does not become healthy: $why"
  fi
}

start_all() {
  local databases
  say 'no API is running; starting the whole stack'
  # What the migrations need: deploy/ha has more than db, and a database elsewhere has nothing.
  databases=$(docker compose config --services | grep -x -e db -e etcd -e haproxy) || true
  # shellcheck disable=SC2086 # names of services
  [ -z "$databases" ] || start $databases
  migrate
  # web depends on all services that answer requests. The others, such as certbot, must not make a
  # release fail.
  start web
  docker compose up -d
  record
  complete
}

get_images
find_replicas
find_webs
old_web=${webs[0]:-}
if [ ${#old[@]} = 0 ]; then
  start_all
  exit 0
fi
if [ -z "$force" ] && runs_already; then
  say "version $tag is running already; --force replaces it all the same"
  exit 0
fi
compare_web
frontend=${project}_frontend

# --- Release -------------------------------------------------------------------------------------
# Four requests to nginx. It speaks HTTP if a proxy in front terminates TLS.
ask_nginx='
  for n in 1 2 3 4; do
    wget -q -O /dev/null --no-check-certificate https://127.0.0.1/healthz ||
      wget -q -O /dev/null http://127.0.0.1/healthz
  done'

# drain CONTAINER: removes a replica after nginx has stopped using it. If it cannot be stopped, it
# goes on serving: removing it all the same would break the requests that it answers.
# nginx keeps the address for 2 s after the container has ended, and would wait for it in vain. But
# a replica answers 502 for 3 s before it ends, and nginx then skips it for 10 s. The requests
# above make nginx notice the 502 even if no client asks.
drain() {
  local stopping
  docker stop --time 30 "$1" >/dev/null &
  stopping=$!
  while kill -0 "$stopping" 2>/dev/null; do
    docker exec "$web" sh -c "$ask_nginx" >/dev/null 2>&1 || true
    sleep 0.5
  done
  if wait "$stopping" || ! serves "$1"; then
    remove "$1"
  else
    say "$1 could not be stopped, so it goes on serving" >&2
    return 1
  fi
}

is_old() { [[ " ${old[*]} " == *" $1 "* ]]; }

new=() stage=trying web=$old_web
remove_new() {
  local container
  say 'not released; removing the new replicas, while the old ones go on serving. Migrations that' \
    'have run stay' >&2
  for container in $(containers web); do
    [ "$container" = "$old_web" ] || remove "$container"
  done
  [ -z "$old_web" ] || docker start "$old_web" >/dev/null || true
  for container in $(containers api); do
    if is_old "$container"; then
      continue
    elif [ "$stage" = serving ]; then
      drain "$container" || true
    else
      remove "$container"
    fi
  done
}

trial=$project-web-trial
remove_trial() { docker rm --force "$trial" >/dev/null 2>&1 || true; }

undo() {
  local status=$?
  web=$old_web
  trap '' HUP INT TERM
  case $stage in
    trying) undisturbed remove_trial ;;
    starting | serving) undisturbed remove_new || true ;;
  esac
  exit "$status"
}
trap undo EXIT
exit_on_signals

wait_until_healthy() { # wait_until_healthy CONTAINER...
  local deadline=$((SECONDS + timeout)) why="is not healthy after $timeout s"
  until [ "$(field '{{.State.Health.Status}}' "$@" | grep -cx healthy)" = $# ]; do
    if [ "$(field '{{.State.Status}}' "$1")" = exited ]; then deadline=0 why='has ended'; fi
    if [ $SECONDS -ge $deadline ]; then
      docker logs --tail 10 "$1" 2>&1 | sed 's/^/  /' >&2
      fail "a new container $why; above is the end of the first one's log"
    fi
    sleep 0.5
  done
}

# Without its ports, the new nginx can run beside the old one.
try_web() {
  say 'nginx has changed; trying the new one beside the old one'
  remove_trial # of a release that was killed
  docker compose run --detach --no-deps --name "$trial" web </dev/null >/dev/null
  wait_until_healthy "$trial"
  remove_trial
}

# Makes the new containers and starts the replicas, outside nginx's network: nginx asks every
# address of the name api, healthy or not.
start_new() {
  local made container
  say "starting $replicas new API replicas beside the ${#old[@]} old ones"
  # Not --no-deps: Compose would note another configuration, and the next `docker compose up` would
  # replace all replicas at once.
  made=(--scale "api=$((${#old[@]} + replicas))" api)
  [ -z "$web_changed" ] || made+=(--scale "web=$((${#webs[@]} + 1))" web)
  docker compose up --no-start --no-recreate --no-build "${made[@]}"
  for container in $(containers api); do
    is_old "$container" || new+=("$container")
  done
  [ ${#new[@]} = "$replicas" ] \
    || fail "Compose made ${#new[@]} new replicas instead of $replicas"
  for container in "${new[@]}"; do
    docker network disconnect "$frontend" "$container"
  done
  docker start "${new[@]}" >/dev/null
  wait_until_healthy "${new[@]}"
}

connect_new() {
  local container address of="{{(index .NetworkSettings.Networks \"$frontend\").IPAddress}}"
  say 'the new replicas are healthy; connecting them to nginx'
  for container in "${new[@]}"; do
    docker network connect --alias api "$frontend" "$container"
    address=$(field "$of" "$container")
    [ -z "$old_web" ] \
      || docker exec "$old_web" wget -q -O /dev/null "http://$address:8080/healthz" \
      || fail "nginx's container cannot reach the new replica at $address"
  done
  sleep 3 # nginx looks up the addresses every 2 s
}

replace_web() {
  say 'replacing nginx, which interrupts the service for about a second'
  web=$(containers web | grep -vx -e "${old_web:-none}")
  [ -z "$old_web" ] || docker stop "$old_web" >/dev/null
  docker start "$web" >/dev/null
  wait_until_healthy "$web"
}

remove_old() {
  local container status=0
  [ -z "$web_changed" ] || [ -z "$old_web" ] || remove "$old_web"
  for container in "${old[@]}"; do
    say "draining $(field '{{slice .Name 1}}' "$container")"
    drain "$container" || status=1
  done
  return "$status"
}

migrate
if [ -n "$web_changed" ] && [ -n "$old_web" ]; then try_web; fi
stage=starting
start_new
stage=serving
connect_new
if [ -n "$web_changed" ]; then replace_web; fi
trap '' HUP INT TERM # from here on it is quicker, and safer, to finish
record               # now: if this script is killed later, the new version must stay
stage=draining
undisturbed remove_old \
  || fail "version $tag is running, but so are old replicas, see above;" \
    "scripts/deploy.sh $tag removes them"
complete
