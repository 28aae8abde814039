#!/usr/bin/env bash
# Prepares a server for the task app: Docker, firewall, sshd, fail2ban, security updates, and the app's place.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: sudo scripts/provision.sh [--dry-run] [--without PART]... [--docker-from official|distribution]

For Debian 12 and newer, Ubuntu 22.04 and newer, and Rocky Linux 9 and its relatives. Safe to run again: it changes only
what is not yet so, and says what. The parts:

docker    Docker Engine and Compose; what containers publish without an address stays on 127.0.0.1
firewall  ufw, or firewalld on Rocky: open are the port of sshd, 80 and 443
ssh       keys only, and not as root; refused as long as no user with sudo has a key, so that nobody is locked out
fail2ban  shuts out addresses that try passwords on sshd
updates   installs security updates each day
app       the user taskapp, /opt/taskapp with the settings and secrets of production, and the systemd units

--dry-run       prints every change and makes none
--without PART  leaves a part out
--docker-from   official (default): download.docker.com, or the mirror in DOCKER_REPOSITORY; distribution: Debian 13 or
                Ubuntu 24.04 and newer have one that is new enough

Exit codes: 0 all is as it should be; 1 a part could not be done, the message says which and why; 2 wrong arguments;
3 refused before any change, because nobody could log in afterwards.
TEXT
}
fail() {
  echo "provision: $*" >&2
  exit 1
}

parts=' docker firewall ssh fail2ban updates app '
dry_run=no docker_from=official
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --without)
      case $parts in
        *" ${2:-} "*) parts=${parts/" $2 "/ } ;;
        *)
          echo "provision: --without needs one of:$parts" >&2
          exit 2
          ;;
      esac
      shift
      ;;
    --docker-from)
      case ${2:-} in official | distribution) docker_from=$2 ;; *)
        usage >&2
        exit 2
        ;;
      esac
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done

repository=$(cd "$(dirname "$0")/.." && pwd)
readonly repository
readonly docker_repository=${DOCKER_REPOSITORY:-https://download.docker.com/linux}
readonly app=/opt/taskapp

[ "$(id -u)" = 0 ] || fail 'this changes the machine and needs root; run it with sudo'
# shellcheck source=/dev/null
distribution=$(. /etc/os-release && echo "$ID") release=$(. /etc/os-release && echo "${VERSION_ID:-}")
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
case $distribution in
  debian | ubuntu) family=debian ssh_service=ssh ;;
  rocky | almalinux | rhel | centos) family=redhat ssh_service=sshd ;;
  *) fail "$distribution is not supported; Debian, Ubuntu, Rocky, AlmaLinux, CentOS Stream and RHEL are" ;;
esac

# --- what every part uses ---------------------------------------------------------------------------------------------------

part='' changes=0 problems=0
wanted() { case $parts in *" $1 "*) part=$1 ;; *)
  echo "provision: [$1] left out"
  return 1
  ;;
esac }
note() { echo "provision: [$part] $*"; }
problem() {
  echo "provision: [$part] FAILED: $*" >&2
  problems=$((problems + 1))
}

change() { # change TEXT COMMAND...: the only way in which this script changes something
  changes=$((changes + 1))
  note "$1"
  shift
  if [ "$dry_run" = yes ]; then return; fi
  "$@" </dev/null >"$work/output" 2>&1 || {
    tail -n 5 "$work/output" >&2
    problem "$* failed"
    return 1
  }
}

package_is_installed() {
  if [ "$family" = debian ]; then
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
  else
    rpm --query "$1" >/dev/null 2>&1
  fi
}

lists_are_fresh=no
install_packages() { # what is there stays as it is
  local missing=() package
  for package; do package_is_installed "$package" || missing+=("$package"); done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$family" = redhat ]; then
    change "install ${missing[*]}" dnf install --assumeyes "${missing[@]}"
    return
  fi
  if [ "$lists_are_fresh$dry_run" = nono ]; then
    note 'reading the package lists'
    apt-get update -qq </dev/null >"$work/output" 2>&1 || {
      tail -n 5 "$work/output" >&2
      problem 'apt-get update failed'
      return 1
    }
    lists_are_fresh=yes
  fi
  change "install ${missing[*]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold "${missing[@]}"
}

write() { install -D --mode "$1" "$work/content" "$2"; }
# install_file MODE PATH: its content is on standard input. Succeeds if it is there afterwards; `written` says if it is new.
install_file() {
  written=no
  cat >"$work/content"
  if [ -f "$2" ] && cmp --silent "$work/content" "$2" && [ "$(stat --format %a "$2")" = "$1" ]; then return; fi
  if [ "$dry_run" = yes ]; then diff --unified=0 --new-file "$2" "$work/content" | sed 's/^/    /' || true; fi
  change "write $2" write "$1" "$2" && written=yes
}

systemd_runs() { [ -d /run/systemd/system ]; }
start_service() { # start_service UNIT: now and at each boot
  if ! command -v systemctl >/dev/null; then
    note "$1 is not enabled: no systemd here"
    return
  fi
  if [ "$(systemctl is-enabled "$1" 2>/dev/null)" != enabled ]; then change "enable $1" systemctl enable "$1" || return; fi
  if systemd_runs && ! systemctl is-active --quiet "$1"; then change "start $1" systemctl start "$1"; fi
}
if_it_runs() { # if_it_runs reload|restart UNIT
  if systemd_runs && systemctl is-active --quiet "$2"; then change "$1 $2" systemctl "$1" "$2"; fi
}

ssh_ports() { # those sshd is set to, and that of the session this runs in
  {
    sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }' \
      || sed -nE 's/^[[:space:]]*Port[[:space:]]+([0-9]+).*/\1/Ip' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null || true
    if [ -n "${SSH_CONNECTION:-}" ]; then echo "${SSH_CONNECTION##* }"; fi
  } | sort --unique | grep . || echo 22
}

# --- docker -----------------------------------------------------------------------------------------------------------------

docker_packages=(docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin)

add_apt_repository() {
  install_packages ca-certificates curl || return
  if [ ! -s /etc/apt/keyrings/docker.asc ]; then
    change "fetch the key $docker_repository/$distribution/gpg" fetch_docker_key || return
  fi
  install_file 644 /etc/apt/sources.list.d/docker.sources <<TEXT || return
Types: deb
URIs: $docker_repository/$distribution
Suites: $codename
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: /etc/apt/keyrings/docker.asc
TEXT
  if [ "$written" = yes ]; then lists_are_fresh=no; fi # install_packages reads them again
}
fetch_docker_key() {
  install -d --mode 755 /etc/apt/keyrings
  curl --fail --silent --show-error --location --max-time 60 --output "$work/key" "$docker_repository/$distribution/gpg"
  install --mode 644 "$work/key" /etc/apt/keyrings/docker.asc
}

add_dnf_repository() {
  local name=centos # Docker's packages for all relatives of RHEL; RHEL itself has its own
  if [ "$distribution" = rhel ]; then name=rhel; fi
  install_file 644 /etc/yum.repos.d/docker-ce.repo <<TEXT
[docker-ce-stable]
name=Docker CE Stable
baseurl=$docker_repository/$name/${release%%.*}/\$basearch/stable
enabled=1
gpgcheck=1
gpgkey=$docker_repository/$name/gpg
TEXT
}

configure_docker() {
  local file=/etc/docker/daemon.json
  # A port that a container publishes is open to the world whatever ufw says: Docker forwards it before ufw's rules see it.
  # So only nginx is published on all addresses, by name (HTTP_BIND); what somebody publishes without an address stays on
  # 127.0.0.1: "ip" is for Docker's own bridge, default-network-opts for the networks Compose makes from now on.
  # live-restore: containers run on while the daemon is updated.
  cat >"$work/daemon.json" <<'TEXT'
{
  "ip": "127.0.0.1",
  "default-network-opts": { "bridge": { "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1" } },
  "live-restore": true,
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}
TEXT
  if [ -e "$file" ] && ! cmp --silent "$work/daemon.json" "$file"; then
    problem "$file is there and differs; it is kept. Put these settings into it, or remove it and run this again:"
    cat "$work/daemon.json" >&2
    return 1
  fi
  install_file 644 "$file" <"$work/daemon.json"
}

part_docker() {
  local restart=no version
  if [ "$docker_from" = distribution ]; then
    case $distribution-$release in
      debian-1[3-9]) docker_packages=(docker.io docker-cli docker-buildx docker-compose) ;;
      ubuntu-2[4-9].*) docker_packages=(docker.io docker-buildx docker-compose-v2) ;;
      *)
        problem "the Docker of $distribution $release is too old or there is none; use --docker-from official"
        return
        ;;
    esac
  elif [ "$family" = debian ] && package_is_installed docker.io; then
    problem "the distribution's docker.io is installed; remove it (apt-get remove docker.io), or use --docker-from distribution"
    return
  elif [ "$family" = debian ]; then
    add_apt_repository || return 0
  else
    add_dnf_repository || return 0
  fi
  # Before the packages, so that the daemon's first start has it already.
  if configure_docker && [ "$written" = yes ]; then restart=yes; fi
  install_packages "${docker_packages[@]}" || return 0
  if command -v dockerd >/dev/null && ! dockerd --validate --config-file /etc/docker/daemon.json >"$work/output" 2>&1; then
    problem "dockerd does not take /etc/docker/daemon.json: $(tail -n 1 "$work/output")"
    return
  fi
  version=$(dockerd --version 2>/dev/null | sed -nE 's/^Docker version ([0-9]+).*/\1/p') || true
  if [ "${version:-25}" -lt 25 ]; then problem "Docker Engine $version is too old, 25 is needed; use --docker-from official"; fi
  if [ "$restart" = yes ]; then if_it_runs restart docker.service || true; fi
  start_service docker.service || true
}

# --- firewall ---------------------------------------------------------------------------------------------------------------

part_firewall() {
  local ports port
  ports=$(
    ssh_ports
    echo 80
    echo 443
  )
  if [ "$family" = debian ]; then firewall_ufw; else firewall_firewalld; fi
}

firewall_ufw() { # the ports are opened before it is enabled: this session must go on
  install_packages ufw || return 0
  local rules
  rules=$(ufw show added 2>/dev/null || true)
  for port in $ports; do
    grep -qx "ufw allow $port/tcp" <<<"$rules" || change "open $port/tcp" ufw allow "$port/tcp" || return 0
  done
  grep -q '^DEFAULT_INPUT_POLICY="DROP"' /etc/default/ufw 2>/dev/null || change 'refuse what is not open' ufw default deny incoming || return 0
  grep -q '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null || change 'enable ufw' ufw --force enable || return 0
  start_service ufw.service || true
}

firewall_firewalld() {
  install_packages firewalld || return 0
  # The second works on the files while the daemon does not run.
  local tool=(firewall-cmd --permanent) opened=no
  firewall-cmd --state >/dev/null 2>&1 || tool=(firewall-offline-cmd)
  for port in $ports; do
    if "${tool[@]}" --query-port="$port/tcp" >/dev/null 2>&1; then continue; fi
    change "open $port/tcp" "${tool[@]}" --add-port="$port/tcp" || return 0
    opened=yes
  done
  if [ "$opened" = yes ] && [ "${tool[0]}" = firewall-cmd ]; then change 'reload firewalld' firewall-cmd --reload || return 0; fi
  start_service firewalld.service || true
}

# --- ssh --------------------------------------------------------------------------------------------------------------------

# The users who can become root and log in with a key. sshd ignores a key in a file that others may write.
admins_with_key() {
  local user home shell file
  for user in $(getent group sudo wheel admin | cut -d : -f 4 | tr ',' ' '); do
    IFS=: read -r _ _ _ _ _ home shell < <(getent passwd "$user") || continue
    file=$home/.ssh/authorized_keys
    case $shell in */nologin | */false) continue ;; esac
    if [ "$user" = root ] || ! grep -qsE '^[^#]*(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA' "$file"; then continue; fi
    if [ -n "$(find "$home" "$home/.ssh" "$file" -maxdepth 0 \( -perm /022 -o ! -user "$user" ! -user root \))" ]; then continue; fi
    echo "$user"
  done
}

refuse_without_a_key() {
  case $parts in *' ssh '*) ;; *) return 0 ;; esac
  if [ -n "$(admins_with_key)" ]; then return; fi
  cat >&2 <<'TEXT'
provision: refused: no user with sudo has an SSH key, so nobody could log in once passwords and root are shut out.
Make one (the group is wheel instead of sudo on Rocky), and log in with it once:
  useradd --create-home --shell /bin/bash --groups sudo NAME && passwd NAME     # here
  ssh-copy-id NAME@this-machine                                                 # on your machine
If the key is there, sshd would ignore it: its file, .ssh and the home must be NAME's and not writable by others.
Or leave sshd as it is: --without ssh. Nothing was changed.
TEXT
  exit 3
}

sshd_is_as_wanted() {
  local settings
  install -d --mode 755 /run/sshd # sshd checks nothing without it, and it is there only while sshd runs
  sshd -t || return 1
  settings=$(sshd -T) || return 1
  # The first file that sets something wins, so another one may stand before this.
  for line in 'passwordauthentication no' 'kbdinteractiveauthentication no' 'permitrootlogin no'; do
    grep -qx "$line" <<<"$settings" || {
      echo "sshd still has not '$line'; another file sets it first: grep -ri ${line% *} /etc/ssh" >&2
      return 1
    }
  done
}

part_ssh() {
  local file=/etc/ssh/sshd_config.d/10-taskapp.conf
  install_packages openssh-server || return 0
  install_file 644 "$file" <<'TEXT' || return 0
# Passwords can be guessed, and everybody knows the name root. By scripts/provision.sh.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
TEXT
  if [ "$dry_run" = yes ]; then return; fi
  if ! sshd_is_as_wanted; then
    if [ "$written" = yes ]; then rm "$file"; fi
    problem 'sshd does not take these settings, see above; it was left as it was'
    return
  fi
  if [ "$written" = yes ]; then if_it_runs reload "$ssh_service" || true; fi
  # Ubuntu starts it by its socket.
  if [ "$(systemctl is-enabled ssh.socket 2>/dev/null)" != enabled ]; then start_service "$ssh_service.service" || true; fi
}

# --- fail2ban ---------------------------------------------------------------------------------------------------------------

part_fail2ban() {
  local file=/etc/fail2ban/jail.d/taskapp.local action=''
  # On Rocky it is in EPEL, and firewalld is what it bans with by itself.
  if [ "$family" = redhat ]; then
    install_packages epel-release && install_packages fail2ban || return 0
  else
    install_packages fail2ban python3-systemd || return 0
    case $parts in *' firewall '*) action=$'\nbanaction = ufw' ;; esac
  fi
  # The journal, because a new Debian has no /var/log/auth.log.
  install_file 644 "$file" <<TEXT || return 0
[DEFAULT]
backend = systemd
findtime = 10m
maxretry = 5
bantime = 1h$action

[sshd]
enabled = true
port = $(ssh_ports | paste -s -d , -)
TEXT
  if [ "$dry_run" = yes ]; then return; fi
  if ! fail2ban-client -t >"$work/output" 2>&1; then
    tail -n 5 "$work/output" >&2
    if [ "$written" = yes ]; then rm "$file"; fi
    problem 'fail2ban does not take these settings, see above'
    return
  fi
  if [ "$written" = yes ]; then if_it_runs restart fail2ban.service || true; fi
  start_service fail2ban.service || true
}

# --- updates ----------------------------------------------------------------------------------------------------------------

part_updates() {
  local file=/etc/dnf/automatic.conf
  if [ "$family" = debian ]; then
    install_packages unattended-upgrades || return 0
    install_file 644 /etc/apt/apt.conf.d/52taskapp-updates <<'TEXT' || return 0
// Each day. What is updated, and that it does not reboot by itself, is in 50unattended-upgrades.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
TEXT
    return
  fi
  install_packages dnf-automatic || return 0
  if ! grep -qs '^upgrade_type *= *security' "$file"; then
    change "$file: upgrade_type = security" sed -i 's/^upgrade_type *=.*/upgrade_type = security/' "$file" || return 0
  fi
  if ! grep -qs '^apply_updates *= *yes' "$file"; then
    change "$file: apply_updates = yes" sed -i 's/^apply_updates *=.*/apply_updates = yes/' "$file" || return 0
  fi
  start_service dnf-automatic.timer || true
}

# --- app --------------------------------------------------------------------------------------------------------------------

owned_directory() { # owned_directory PATH MODE
  if [ "$(stat --format '%U:%G %a' "$1" 2>/dev/null)" != "taskapp:taskapp $2" ]; then
    change "make $1 the directory of taskapp, mode $2" install -d --owner taskapp --group taskapp --mode "$2" "$1"
  fi
}

part_app() {
  local unit units=() new=no command
  for command in curl openssl; do # for the scripts of the app; Rocky has curl from another package
    command -v "$command" >/dev/null || install_packages "$command" || return 0
  done
  if ! getent passwd taskapp >/dev/null; then
    change 'make the user taskapp' useradd --system --user-group --home-dir "$app" --shell /usr/sbin/nologin taskapp || return 0
  fi
  # Who may use Docker is as mighty as root: nobody else belongs to this group.
  if ! getent group docker >/dev/null && { [ "$dry_run" = no ] || [[ $parts != *' docker '* ]]; }; then
    note 'there is no group docker yet: run this again once Docker is installed'
  elif ! id -nG taskapp 2>/dev/null | grep -qw docker; then
    change 'let taskapp use Docker' usermod --append --groups docker taskapp || return 0
  fi
  owned_directory "$app" 750 || return 0
  owned_directory "$app/backups" 700 || return 0
  owned_directory "$app/secrets" 700 || return 0
  local others=(find "$app" -xdev ! -user taskapp)
  if [ -n "$("${others[@]}" -print -quit 2>/dev/null)" ]; then
    change "give all in $app to taskapp" "${others[@]}" -exec chown --no-dereference taskapp:taskapp '{}' + || return 0
  fi
  # Containers read these as users other than taskapp, which a clone made under umask 077 forbids.
  local mounted=("$app/db" "$app/monitoring")
  if [ -d "$app/db" ] && [ -n "$(find "${mounted[@]}" ! -perm -004 -print -quit)" ]; then
    change "let the containers read ${mounted[*]}" chmod -R a+rX "${mounted[@]}" || return 0
  fi
  if [ -d "$app/db" ] && [ -n "$(find "$app"/db/*.sh ! -perm -001 -print -quit)" ]; then
    change "let the containers run $app/db/*.sh" chmod a+x "$app"/db/*.sh || return 0
  fi
  if [ ! -f "$app/compose.yml" ]; then
    note "the repository is not in $app yet: cp -a $repository/. $app/, then run this again"
  elif ! grep -qs '^COMPOSE_FILE=.*compose\.prod\.yml' "$app/.env"; then
    change "write $app/.env and secrets/ for production; a .env of the lab becomes .env.lab" \
      runuser -u taskapp -- "$app/scripts/make-secrets.sh" || return 0
  fi

  for unit in "$repository"/scripts/systemd/*.service "$repository"/scripts/systemd/*.timer; do
    if [ -f "$unit" ]; then units+=("${unit##*/}"); fi
  done
  if [ "${#units[@]}" = 0 ]; then
    note 'no systemd units: this repository has no scripts/systemd/'
    return
  fi
  for unit in "${units[@]}"; do
    install_file 644 "/etc/systemd/system/$unit" <"$repository/scripts/systemd/$unit" || return 0
    if [ "$written" = yes ]; then new=yes; fi
  done
  if [ "$new" = yes ] && systemd_runs; then change 'make systemd read the units' systemctl daemon-reload || return 0; fi
  for unit in "${units[@]}"; do
    case $unit in *.timer) start_service "$unit" || true ;; esac
  done
}

# --- all of it --------------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
refuse_without_a_key
for name in docker firewall ssh fail2ban updates app; do
  if wanted "$name"; then "part_$name"; fi
done

if [ "$dry_run" = yes ]; then echo "provision: $changes changes to make, none made"; else echo "provision: $changes changes"; fi
if [ "$problems" -gt 0 ]; then fail "$problems failed, see above"; fi
