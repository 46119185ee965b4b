#!/bin/sh
# Sees to it that there is a Chromium for the browser tests, or says in one line what is missing.
set -eu
if [ -n "${ECHOSCOPE_CHROMIUM:-}" ]; then
  [ -x "$ECHOSCOPE_CHROMIUM" ] || { echo "ECHOSCOPE_CHROMIUM=$ECHOSCOPE_CHROMIUM is not a program" >&2; exit 1; }
  exit 0
fi
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  log=$(mktemp)
  if apt-get update -qq >"$log" 2>&1 \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >>"$log" 2>&1; then
    rm "$log"
    exit 0
  fi
  tail -n 3 "$log" >&2
fi
echo "browser tests need Chromium: install Debian's package chromium, or set ECHOSCOPE_CHROMIUM to the program" >&2
exit 1
