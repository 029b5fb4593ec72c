#!/bin/sh
# Unpack Debian's Postfix and Exim, which apt does not install beside each other, for the tests; install neither.
set -eu
folder=${1:-"$(dirname "$0")/../.mail-servers"}
mkdir -p "$folder"
cd "$folder"
quiet="--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
missing="postfix exim4-daemon-light"
# shellcheck disable=SC2086 # options are words
for library in $(apt-cache depends --recurse $quiet $missing | grep '^lib' | sort -u); do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$library" 2>/dev/null)" = installed ] || missing="$missing $library"
done
# shellcheck disable=SC2086 # names are words
apt-get -qq -o APT::Sandbox::User=root download $missing
for file in *.deb; do dpkg -x "$file" .; done
rm -- *.deb
