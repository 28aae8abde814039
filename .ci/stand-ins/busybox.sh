#!/bin/sh
# Gives a Debian root file system the tools of Alpine: BusyBox is the shell and nearly everything
# else. With GNU's tools a stand-in would forgive what the official image does not.
# Usage: busybox sh busybox.sh [NAME...]; keeps the programs of these names.
set -eu

packages='apt bash coreutils curl dash debianutils diffutils dpkg findutils gpgv grep gzip hostname
login mawk mount ncurses-bin openssl passwd perl-base procps sed sqv tar util-linux wget'

# Alpine's BusyBox has these; Debian's does not.
keep="$* cksum comm flock install ipcrm ipcs mountpoint nice nohup pgrep pkill pmap printenv"
keep="$keep pwdx split sum"

for package in $packages; do
  # Not every release has every package.
  [ ! -e "/var/lib/dpkg/info/$package.list" ] || cat "/var/lib/dpkg/info/$package.list"
done | grep -E '^(/usr)?/s?bin/[^/]+$' >/tmp/programs
while read -r program; do
  case " $keep " in *" ${program##*/} "*) continue ;; esac
  rm -f "$program"
done </tmp/programs
rm -f /tmp/programs

for applet in $(/usr/bin/busybox --list); do
  case $applet in busybox | dpkg | dpkg-deb | rpm | rpm2cpio) continue ;; esac
  # A program that is still there is one to keep. A link that leads nowhere is not.
  if [ -e "/usr/bin/$applet" ] || [ -e "/usr/sbin/$applet" ]; then continue; fi
  ln -sf /usr/bin/busybox "/usr/bin/$applet"
done
