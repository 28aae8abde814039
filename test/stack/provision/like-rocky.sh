#!/bin/sh
# Makes a Debian look like Rocky to provision.sh. dnf and rpm are stand-ins; firewalld, sshd and
# fail2ban are real.
set -e

groupadd wheel
groupadd docker
rm /etc/fail2ban/jail.d/*
cat >/etc/os-release <<'TEXT'
ID=rocky
VERSION_ID=10.0
TEXT

cat >/usr/local/bin/dnf <<'TEXT'
#!/bin/sh
shift 2
for name; do echo "$name" >>/var/lib/installed; done
TEXT
cat >/usr/local/bin/rpm <<'TEXT'
#!/bin/sh
grep -qx "$2" /var/lib/installed
TEXT
chmod +x /usr/local/bin/*
touch /var/lib/installed

rm -f /etc/systemd/system/sshd.service
for name in docker sshd; do
  cat >"/usr/lib/systemd/system/$name.service" <<'TEXT'
[Service]
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
TEXT
done
cat >/usr/lib/systemd/system/dnf-automatic.timer <<'TEXT'
[Timer]
OnCalendar=daily
Unit=docker.service
[Install]
WantedBy=timers.target
TEXT
mkdir -p /etc/dnf
cat >/etc/dnf/automatic.conf <<'TEXT'
[commands]
upgrade_type = default
apply_updates = no
TEXT
