#!/bin/sh
# Makes a signed repository with the package names of Docker's own, which may be out of reach.
set -e

architecture=$(dpkg --print-architecture)
stable=dists/noble/stable/binary-$architecture
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-generate-key stand-in rsa2048
mkdir -p /srv/docker/ubuntu/pool "/srv/docker/ubuntu/$stable"
cd /srv/docker/ubuntu
gpg --armor --output gpg --export

make_package() { # make_package NAME: pool/NAME.deb, with a service
  root=/tmp/$1
  mkdir -p "$root/DEBIAN" "$root/usr/lib/systemd/system"
  cat >"$root/usr/lib/systemd/system/${1%-ce}.service" <<'TEXT'
[Service]
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
TEXT
  cat >"$root/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
getent group docker || groupadd docker
TEXT
  chmod 755 "$root/DEBIAN/postinst"
  cat >"$root/DEBIAN/control" <<TEXT
Package: $1
Version: 99
Architecture: all
Maintainer: x <x@example.org>
Description: x
TEXT
  dpkg-deb --build "$root" "pool/$1.deb" >/dev/null
}

sha256() { # sha256 FILE
  sha256sum "$1" | cut -c 1-64
}

for name in docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin; do
  make_package "$name"
  file=pool/$name.deb
  dpkg-deb --field "$file"
  printf 'Filename: %s\nSize: %s\n' "$file" "$(stat -c %s "$file")"
  printf 'SHA256: %s\n\n' "$(sha256 "$file")"
done >"$stable/Packages"

cd dists/noble
cat >Release <<TEXT
Suite: noble
Codename: noble
Components: stable
Architectures: $architecture
Date: $(date -Ru)
SHA256:
TEXT
for file in stable/*/Packages; do
  echo " $(sha256 "$file") $(stat -c %s "$file") $file"
done >>Release
gpg --batch --quiet --clearsign --output InRelease Release
