#!/bin/sh
# Fetches Debian packages and unpacks them into .peers/, for tests that need a program whose installation would
# push another one out (Exim's removes Postfix) or start a service that nobody asked for (Prometheus's, of which
# only promtool is wanted). Nothing is installed or started; an unpacked program runs as whoever starts it, without
# setuid. What is there already is left alone. Needs apt-get and dpkg, not root.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/.peers
packages="
    exim4-daemon-light
    libgnutls-dane0
    libidn12
    libnss-wrapper
    prometheus
"

mkdir -p "$root/packages"
cd "$root/packages"
for package in $packages; do
    [ -e "$package.unpacked" ] && continue
    rm -f "${package}"_*.deb
    apt-get download -qq "$package" || { apt-get update -qq && apt-get download -qq "$package"; }
    dpkg -x "${package}"_*.deb "$root"
    rm -f "${package}"_*.deb
    : >"$package.unpacked"
done
rm -f "$root/usr/bin/prometheus"
find "$root" -type f -perm /6000 -exec chmod ug-s {} +
