#!/usr/bin/env bash
# Prepares a server for the task app: Docker, firewall, sshd, fail2ban, security updates, and the
# app's user, directory and units.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: sudo scripts/provision.sh [--dry-run] [--without PART]...
                                 [--docker-from official|distribution]

For Debian 12 and newer, Ubuntu 22.04 and newer, and Rocky Linux 9 and its relatives. It is safe to
run again: it changes only what differs, and says what. The parts:

docker    Docker Engine and Compose; ports published without an address stay on 127.0.0.1
firewall  ufw, or firewalld on Rocky: opens the ports of sshd and the ports 80 and 443
ssh       allows logins only with keys, and none as root; refused unless a user with sudo has a key,
          so that nobody is locked out
fail2ban  bans addresses that try passwords on sshd
updates   installs security updates each day
app       the user taskapp, /opt/taskapp with the settings and secrets of production, and the
          systemd units

--dry-run       prints every change and makes none
--without PART  leaves a part out
--docker-from   official (default): download.docker.com, or the mirror in DOCKER_REPOSITORY
                distribution: the distribution's packages; those of Debian 13, Ubuntu 24.04 and
                newer are new enough

Exit codes: 0 done; 1 a part failed, and the message says which and why; 2 wrong usage;
3 refused before any change, because nobody could log in afterwards
TEXT
}
fail() {
  echo "provision: $*" >&2
  exit 1
}
misused() {
  usage >&2
  exit 2
}

parts=' docker firewall ssh fail2ban updates app '
is_wanted() { [[ $parts == *" $1 "* ]]; }

dry_run=no docker_from=official
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=yes ;;
    --without)
      if ! is_wanted "${2:-}"; then
        echo "provision: --without needs one of:$parts" >&2
        exit 2
      fi
      parts=${parts/" $2 "/ }
      shift
      ;;
    --docker-from)
      docker_from=${2:-}
      [[ $docker_from =~ ^(official|distribution)$ ]] || misused
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

repository=$(cd "$(dirname "$0")/.." && pwd)
readonly repository
readonly docker_repository=${DOCKER_REPOSITORY:-https://download.docker.com/linux}
readonly app=/opt/taskapp

[ "$(id -u)" = 0 ] || fail 'this changes the machine and needs root; run it with sudo'

os_release() { # os_release NAME: a value of /etc/os-release
  # shellcheck source=/dev/null
  (. /etc/os-release && echo "${!1:-}")
}
distribution=$(os_release ID)
release=$(os_release VERSION_ID)
codename=$(os_release VERSION_CODENAME)
case $distribution in
  debian | ubuntu) family=debian ssh_service=ssh ;;
  rocky | almalinux | rhel | centos) family=redhat ssh_service=sshd ;;
  *)
    fail "$distribution is not supported;" \
      'Debian, Ubuntu, Rocky, AlmaLinux, CentOS Stream and RHEL are'
    ;;
esac

# --- what every part uses ------------------------------------------------------------------------

part='' changes=0 problems=0
begin() { # begin PART: returns 1 if the part is left out
  if ! is_wanted "$1"; then
    echo "provision: [$1] left out"
    return 1
  fi
  part=$1
}
note() { echo "provision: [$part] $*"; }
problem() {
  echo "provision: [$part] FAILED: $*" >&2
  problems=$((problems + 1))
}

attempt() { # attempt COMMAND...: shows its output only if it fails
  if "$@" </dev/null >"$work/output" 2>&1; then return; fi
  tail -n 5 "$work/output" >&2
  problem "$* failed"
  return 1
}

change() { # change TEXT COMMAND...: every change to the machine goes through this
  changes=$((changes + 1))
  note "$1"
  shift
  [ "$dry_run" = yes ] || attempt "$@"
}

package_is_installed() {
  if [ "$family" = debian ]; then
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
  else
    rpm --query "$1" >/dev/null 2>&1
  fi
}

lists_are_fresh=no
install_packages() { # leaves installed packages as they are
  local missing=() package
  for package; do
    package_is_installed "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$family" = redhat ]; then
    change "install ${missing[*]}" dnf install --assumeyes "${missing[@]}"
    return
  fi
  if [ "$lists_are_fresh$dry_run" = nono ]; then
    note 'reading the package lists'
    attempt apt-get update -qq || return
    lists_are_fresh=yes
  fi
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
  install+=(-o Dpkg::Options::=--force-confold)
  change "install ${missing[*]}" "${install[@]}" "${missing[@]}"
}

write() { install -D --mode "$1" "$work/content" "$2"; }

is_up_to_date() { # is_up_to_date MODE PATH
  [ -f "$2" ] || return 1
  cmp --silent "$work/content" "$2" || return 1
  [ "$(stat --format %a "$2")" = "$1" ]
}

# install_file MODE PATH: writes standard input to PATH. Returns 0 if the file is right afterwards;
# sets written to yes if it was changed.
install_file() {
  written=no
  cat >"$work/content"
  if is_up_to_date "$1" "$2"; then return; fi
  if [ "$dry_run" = yes ]; then
    diff --unified=0 --new-file "$2" "$work/content" | sed 's/^/    /' || true
  fi
  change "write $2" write "$1" "$2" && written=yes
}

systemd_runs() { [ -d /run/systemd/system ]; }

start_service() { # start_service UNIT: now and at each boot
  if ! command -v systemctl >/dev/null; then
    note "$1 is not enabled: no systemd here"
    return
  fi
  if [ "$(systemctl is-enabled "$1" 2>/dev/null)" != enabled ]; then
    change "enable $1" systemctl enable "$1" || return
  fi
  if systemd_runs && ! systemctl is-active --quiet "$1"; then
    change "start $1" systemctl start "$1"
  fi
}

if_it_runs() { # if_it_runs reload|restart UNIT
  if systemd_runs && systemctl is-active --quiet "$2"; then
    change "$1 $2" systemctl "$1" "$2"
  fi
}

# sshd -T names every address with its port, as Port and ListenAddress set them. A socket of systemd
# that starts sshd, as on Ubuntu, may have ports of its own.
configured_ssh_ports() {
  local files=(/etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf)
  sshd -T 2>/dev/null | sed -nE 's/^listenaddress .*:([0-9]+)$/\1/p' \
    || sed -nE 's/^[[:space:]]*Port[[:space:]]+([0-9]+).*/\1/Ip' "${files[@]}" 2>/dev/null \
    || true
  if systemd_runs; then socket_ports ssh.socket; fi
}

socket_ports() { # socket_ports UNIT: where systemd listens for it
  if ! systemctl is-enabled --quiet "$1" && ! systemctl is-active --quiet "$1"; then return; fi
  systemctl show --property Listen "$1" | sed -nE 's/^Listen=(.*:)?([0-9]+) \(Stream\)$/\2/p'
}

# Those of each sshd that runs, however it was started. What only this machine can reach is the end
# of somebody's tunnel.
open_ssh_ports() {
  command -v ss >/dev/null || return 0
  ss -Hltnp | awk '/"sshd"/ && $4 !~ /^(127\.|\[::1\])/ { sub(/.*:/, "", $4); print $4 }'
}

ssh_ports() { # with the port of the session that this runs in
  {
    configured_ssh_ports
    open_ssh_ports
    if [ -n "${SSH_CONNECTION:-}" ]; then echo "${SSH_CONNECTION##* }"; fi
  } | sort --unique | grep . || echo 22
}

# --- docker --------------------------------------------------------------------------------------

docker_packages=(docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin)

add_apt_repository() {
  local key_url=$docker_repository/$distribution/gpg
  install_packages ca-certificates curl || return
  if [ ! -s /etc/apt/keyrings/docker.asc ]; then
    change "fetch the key $key_url" fetch_docker_key "$key_url" || return
  fi
  install_file 644 /etc/apt/sources.list.d/docker.sources <<TEXT || return
Types: deb
URIs: $docker_repository/$distribution
Suites: $codename
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: /etc/apt/keyrings/docker.asc
TEXT
  if [ "$written" = yes ]; then lists_are_fresh=no; fi
}

fetch_docker_key() { # fetch_docker_key URL
  install -d --mode 755 /etc/apt/keyrings
  curl --fail --silent --show-error --location --max-time 60 --output "$work/key" "$1" || return
  install --mode 644 "$work/key" /etc/apt/keyrings/docker.asc
}

add_dnf_repository() {
  local name=centos # also has the packages for the relatives of RHEL, but not for RHEL itself
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

# Docker forwards a published port before ufw's rules see it, so such a port is open to the world.
# With these settings, a port published without an address stays on 127.0.0.1, and only nginx names
# its address (HTTP_BIND). "ip" is for Docker's own bridge, default-network-opts for new networks of
# Compose. live-restore keeps containers running while the daemon is updated.
readonly binding=com.docker.network.bridge.host_binding_ipv4
docker_settings() {
  cat <<TEXT
{
  "ip": "127.0.0.1",
  "default-network-opts": { "bridge": { "$binding": "127.0.0.1" } },
  "live-restore": true,
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}
TEXT
}

# Adds the settings to a daemon.json that is there, and keeps what it sets itself.
configure_docker() {
  local file=/etc/docker/daemon.json
  docker_settings >"$work/daemon.json"
  if [ -s "$file" ] && ! cmp --silent "$work/daemon.json" "$file"; then
    install_packages jq || return
    if [ "$dry_run" = yes ] && ! command -v jq >/dev/null; then
      note "$file is there: would add the settings that it lacks"
      written=no
      return
    fi
    merge_into "$file" || return
  fi
  install_file 644 "$file" <"$work/daemon.json"
}

# merge_into FILE: $work/daemon.json becomes FILE with the settings that it lacks. Another log
# driver has other options, so what FILE says about logs is not mixed with ours.
merge_into() {
  # shellcheck disable=SC2016 # a variable of jq
  local merged='.[1] as $theirs
    | if $theirs | has("log-driver") or has("log-opts") then .[0] | del(."log-driver", ."log-opts")
      else .[0] end
    | . * $theirs'
  local is_local=".ip == \"127.0.0.1\" and
    .\"default-network-opts\".bridge.\"$binding\" == \"127.0.0.1\""
  if jq --exit-status --slurp "($merged) == .[1]" "$work/daemon.json" "$1" >/dev/null 2>&1; then
    cp "$1" "$work/merged" # has them all: keep its form
  elif ! jq --slurp "$merged" "$work/daemon.json" "$1" >"$work/merged" 2>"$work/output"; then
    problem "$1 is left as it is, because it is not valid JSON: $(<"$work/output")"
    return 1
  fi
  if ! jq --exit-status "$is_local" "$work/merged" >/dev/null; then
    problem "$1 lets the world reach ports that are published without an address; it is kept." \
      'Remove "ip" and "default-network-opts" from it, then run this again'
    return 1
  fi
  mv "$work/merged" "$work/daemon.json"
}

# From release 10 on, RHEL and its relatives keep the modules for Docker's iptables rules in a
# separate package. The first name is for updates of the kernel, the second for the running one.
install_kernel_modules() {
  if [ "$family" = redhat ] && [ "${release%%.*}" -ge 10 ]; then
    install_packages kernel-modules-extra || true
    install_packages "kernel-modules-extra-$(uname -r)" \
      || problem 'the running kernel is too old; run dnf upgrade, reboot, then run this again'
  fi
}

# Sets docker_packages, and adds the repository that they come from.
choose_docker() {
  if [ "$docker_from" = distribution ]; then
    case $distribution-$release in
      debian-1[3-9]) docker_packages=(docker.io docker-cli docker-buildx docker-compose) ;;
      ubuntu-2[4-9].*) docker_packages=(docker.io docker-buildx docker-compose-v2) ;;
      *)
        problem "$distribution $release has no Docker that is new enough;" \
          'use --docker-from official'
        return 1
        ;;
    esac
  elif [ "$family" = redhat ]; then
    add_dnf_repository
  elif package_is_installed docker.io; then
    problem "the distribution's docker.io is installed; remove it (apt-get remove docker.io)," \
      'or use --docker-from distribution'
    return 1
  else
    add_apt_repository
  fi
}

dockerd_accepts() { # dockerd_accepts FILE
  # If dockerd is not installed, this is a dry run.
  command -v dockerd >/dev/null || return 0
  dockerd --validate --config-file "$1" >"$work/output" 2>&1
}

part_docker() {
  local restart=no version
  choose_docker || return 0
  install_kernel_modules
  # This comes before the packages, so that the daemon has its configuration when it first starts.
  if configure_docker && [ "$written" = yes ]; then restart=yes; fi
  install_packages "${docker_packages[@]}" || return 0
  if ! dockerd_accepts /etc/docker/daemon.json; then
    problem "dockerd does not accept /etc/docker/daemon.json: $(tail -n 1 "$work/output")"
    return
  fi
  version=$(dockerd --version 2>/dev/null | sed -nE 's/^Docker version ([0-9]+).*/\1/p') || true
  if [ "${version:-25}" -lt 25 ]; then
    problem "Docker Engine $version is older than 25; use --docker-from official"
  fi
  if [ "$restart" = yes ]; then if_it_runs restart docker.service || true; fi
  start_service docker.service || true
}

# --- firewall ------------------------------------------------------------------------------------

part_firewall() {
  local ports
  mapfile -t ports < <(ssh_ports)
  ports+=(80 443)
  if [ "$family" = debian ]; then
    set_up_ufw "${ports[@]}"
  else
    set_up_firewalld "${ports[@]}"
  fi
}

set_up_ufw() { # opens the ports before it enables ufw, so that this session survives
  local rules port
  install_packages ufw || return 0
  rules=$(ufw show added 2>/dev/null || true)
  for port; do
    if ! grep -qx "ufw allow $port/tcp" <<<"$rules"; then
      change "open $port/tcp" ufw allow "$port/tcp" || return 0
    fi
  done
  if ! grep -q '^DEFAULT_INPUT_POLICY="DROP"' /etc/default/ufw 2>/dev/null; then
    change 'refuse what is not open' ufw default deny incoming || return 0
  fi
  if ! grep -q '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null; then
    change 'enable ufw' ufw --force enable || return 0
  fi
  start_service ufw.service || true
}

set_up_firewalld() {
  local tool=(firewall-cmd --permanent) opened=no port
  install_packages firewalld || return 0
  if ! firewall-cmd --state >/dev/null 2>&1; then
    tool=(firewall-offline-cmd) # changes the files while the daemon does not run
  fi
  for port; do
    if "${tool[@]}" --query-port="$port/tcp" >/dev/null 2>&1; then continue; fi
    change "open $port/tcp" "${tool[@]}" --add-port="$port/tcp" || return 0
    opened=yes
  done
  if [ "$opened" = yes ] && [ "${tool[0]}" = firewall-cmd ]; then
    change 'reload firewalld' firewall-cmd --reload || return 0
  fi
  start_service firewalld.service || true
}

# --- ssh -----------------------------------------------------------------------------------------

# can_log_in USER: whether the user has a shell, and a key in a file that sshd does not ignore.
can_log_in() {
  local home shell file unsafe=(-perm /022 -o ! -user "$1" ! -user root)
  IFS=: read -r _ _ _ _ _ home shell < <(getent passwd "$1") || return
  case $shell in */nologin | */false) return 1 ;; esac
  file=$home/.ssh/authorized_keys
  grep -qsE '^[^#]*(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA' "$file" || return
  [ -z "$(find "$home" "$home/.ssh" "$file" -maxdepth 0 \( "${unsafe[@]}" \))" ]
}

# can_become_root USER: by a rule of sudo, whether it is for the user or for a group. A rule may
# have tags such as SETENV, but with NOEXEC a root shell starts no program. A rule without NOPASSWD
# does not help a user whose password is locked or empty.
can_become_root() {
  local rules
  rules=$(sudo -n -l -U "$1" 2>/dev/null \
    | grep -E '^ +\((ALL|root)( : [^)]*)?\) ([A-Z_]+: )*ALL$' | grep -v ' NOEXEC: ') || return
  [[ $rules == *NOPASSWD* ]] || ! passwd --status "$1" 2>/dev/null | grep -qE '^[^ ]+ (L|LK|NP) '
}

# The users other than root who can log in with a key and become root.
admins_with_key() {
  local user
  for user in $(getent passwd | cut -d : -f 1) ${SUDO_USER:-}; do
    if [ "$user" != root ] && can_log_in "$user" && can_become_root "$user"; then echo "$user"; fi
  done
}

refuse_without_a_key() {
  if ! is_wanted ssh || [ -n "$(admins_with_key)" ]; then return; fi
  cat >&2 <<'TEXT'
provision: refused: no user with sudo has an SSH key, so nobody could administer this machine once
sshd refuses passwords and root. Make such a user (on Rocky, the group is wheel, not sudo), and copy
your key:
  useradd --create-home --shell /bin/bash --groups sudo NAME && passwd NAME     # here
  ssh-copy-id NAME@this-machine                                                 # on your machine
If the user has a key already, sshd would ignore it: the file, .ssh and the home directory must
belong to NAME and not be writable by others. sudo asks for a password, unless its rule says
NOPASSWD, so NAME needs one. To leave sshd as it is, use --without ssh. Nothing was changed.
TEXT
  exit 3
}

sshd_is_as_wanted() {
  local settings line
  install -d --mode 755 /run/sshd # exists only while sshd runs, and the checks need it
  sshd -t || return 1
  settings=$(sshd -T) || return 1
  # The first file that sets a value wins, and another file may come before this one.
  for line in 'passwordauthentication no' 'kbdinteractiveauthentication no' 'permitrootlogin no'; do
    if ! grep -qx "$line" <<<"$settings"; then
      echo "sshd still does not have '$line'; another file sets it first:" \
        "grep -ri ${line% *} /etc/ssh" >&2
      return 1
    fi
  done
}

part_ssh() {
  local file=/etc/ssh/sshd_config.d/10-taskapp.conf
  install_packages openssh-server || return 0
  install_file 644 "$file" <<'TEXT' || return 0
# Passwords can be guessed, and everybody knows the name root. Written by scripts/provision.sh.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
TEXT
  if [ "$dry_run" = yes ]; then return; fi
  if ! sshd_is_as_wanted; then
    if [ "$written" = yes ]; then rm "$file"; fi
    problem 'sshd does not accept these settings, see above; it was left as it was'
    return
  fi
  if [ "$written" = yes ]; then if_it_runs reload "$ssh_service" || true; fi
  # On Ubuntu, a socket starts sshd.
  if [ "$(systemctl is-enabled ssh.socket 2>/dev/null)" != enabled ]; then
    start_service "$ssh_service.service" || true
  fi
}

# --- fail2ban ------------------------------------------------------------------------------------

part_fail2ban() {
  local file=/etc/fail2ban/jail.d/taskapp.local action=''
  if [ "$family" = redhat ]; then # the package is in EPEL, and bans with firewalld by default
    install_packages epel-release || return 0
    install_packages fail2ban || return 0
  else
    install_packages fail2ban python3-systemd || return 0
    if is_wanted firewall; then action=$'\nbanaction = ufw'; fi
  fi
  # backend: a new Debian has the journal and no /var/log/auth.log.
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
    problem 'fail2ban does not accept these settings, see above'
    return
  fi
  if [ "$written" = yes ]; then if_it_runs restart fail2ban.service || true; fi
  start_service fail2ban.service || true
}

# --- updates -------------------------------------------------------------------------------------

set_dnf_automatic() { # set_dnf_automatic NAME VALUE
  local file=/etc/dnf/automatic.conf
  if ! grep -qs "^$1 *= *$2" "$file"; then
    change "$file: $1 = $2" sed -i "s/^$1 *=.*/$1 = $2/" "$file"
  fi
}

part_updates() {
  if [ "$family" = debian ]; then
    install_packages unattended-upgrades || return 0
    install_file 644 /etc/apt/apt.conf.d/52taskapp-updates <<'TEXT' || return 0
// Each day. 50unattended-upgrades says what is updated, and that nothing reboots the machine.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
TEXT
    return
  fi
  install_packages dnf-automatic || return 0
  set_dnf_automatic upgrade_type security || return 0
  set_dnf_automatic apply_updates yes || return 0
  start_service dnf-automatic.timer || true
}

# --- app -----------------------------------------------------------------------------------------

make_user() {
  local shell=/usr/sbin/nologin
  if ! getent passwd taskapp >/dev/null; then
    change 'make the user taskapp' \
      useradd --system --user-group --home-dir "$app" --shell "$shell" taskapp || return
  fi
  local group_will_exist=no
  if [ "$dry_run" = yes ] && is_wanted docker; then group_will_exist=yes; fi
  # A member of this group can do what root can, so nobody else should be in it.
  if [ "$group_will_exist" = no ] && ! getent group docker >/dev/null; then
    note 'there is no group docker yet: run this again once Docker is installed'
  elif ! id -nG taskapp 2>/dev/null | grep -qw docker; then
    change 'let taskapp use Docker' usermod --append --groups docker taskapp
  fi
}

owned_directory() { # owned_directory PATH MODE
  if [ "$(stat --format '%U:%G %a' "$1" 2>/dev/null)" != "taskapp:taskapp $2" ]; then
    change "make the directory $1: owner taskapp, mode $2" \
      install -d --owner taskapp --group taskapp --mode "$2" "$1"
  fi
}

make_directories() {
  owned_directory "$app" 750 || return
  owned_directory "$app/backups" 700 || return
  owned_directory "$app/secrets" 700 || return
  local others=(find "$app" -xdev ! -user taskapp)
  if [ -n "$("${others[@]}" -print -quit 2>/dev/null)" ]; then
    change "give everything in $app to taskapp" \
      "${others[@]}" -exec chown --no-dereference taskapp:taskapp '{}' +
  fi
}

# The containers' users must be able to read the mounted files. In a clone made under umask 077,
# they cannot.
share_with_containers() {
  local unreadable unrunnable
  [ -d "$app/db" ] || return 0
  unreadable=$(find "$app/db" "$app/monitoring" ! -perm -004 -print -quit)
  unrunnable=$(find "$app"/db/*.sh ! -perm -001 -print -quit)
  if [ -n "$unreadable$unrunnable" ]; then
    change "let the containers read $app/db and $app/monitoring" make_readable
  fi
}

make_readable() {
  chmod -R a+rX "$app/db" "$app/monitoring"
  chmod a+x "$app"/db/*.sh
}

make_settings() {
  if [ ! -f "$app/compose.yml" ]; then
    note "the repository is not in $app yet: run cp -a $repository/. $app/, then run this again"
  elif ! grep -qs '^COMPOSE_FILE=.*compose\.prod\.yml' "$app/.env"; then
    change "write $app/.env and secrets/ for production; a .env of the lab becomes .env.lab" \
      runuser -u taskapp -- "$app/scripts/make-secrets.sh"
  fi
}

install_units() {
  local unit new=no
  for unit; do
    install_file 644 "/etc/systemd/system/${unit##*/}" <"$unit" || return
    if [ "$written" = yes ]; then new=yes; fi
  done
  if [ "$new" = yes ] && systemd_runs; then
    change 'make systemd read the units' systemctl daemon-reload || return
  fi
  for unit; do
    case $unit in *.timer) start_service "${unit##*/}" || true ;; esac
  done
}

part_app() {
  local program units
  for program in curl openssl; do # a package of another name may have brought curl, as on Rocky
    command -v "$program" >/dev/null || install_packages "$program" || return 0
  done
  make_user || return 0
  make_directories || return 0
  share_with_containers || return 0
  make_settings || return 0

  shopt -s nullglob
  units=("$repository"/scripts/systemd/*.{service,timer})
  shopt -u nullglob
  if [ "${#units[@]}" = 0 ]; then
    note 'no systemd units: this repository has no scripts/systemd/'
    return
  fi
  install_units "${units[@]}" || return 0
}

# --- all of it -----------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
refuse_without_a_key
for name in docker firewall ssh fail2ban updates app; do
  if begin "$name"; then "part_$name"; fi
done

if [ "$dry_run" = yes ]; then
  echo "provision: $changes changes to make, none made"
else
  echo "provision: $changes changes"
fi
if [ "$problems" -gt 0 ]; then fail "$problems failed, see above"; fi
