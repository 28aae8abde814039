#!/bin/sh
# Installs what the test needs in an image of Rocky.
dnf install -y -q sudo systemd diffutils findutils
