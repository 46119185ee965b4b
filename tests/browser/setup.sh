#!/bin/sh
# Sees to it that the tests have a Chromium, strace and a Prometheus, or says in one line what is missing.
set -eu

installed() { # Debian packages, when that is possible
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  log=$(mktemp)
  if apt-get update -qq >"$log" 2>&1 \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; then
    rm "$log"
    return 0
  fi
  tail -n 3 "$log" >&2
  return 1
}

if [ -n "${ECHOSCOPE_CHROMIUM:-}" ]; then
  [ -x "$ECHOSCOPE_CHROMIUM" ] || { echo "ECHOSCOPE_CHROMIUM=$ECHOSCOPE_CHROMIUM is not a program" >&2; exit 1; }
elif ! command -v chromium-headless-shell >/dev/null && ! installed chromium-headless-shell \
  && ! command -v chromium >/dev/null && ! installed chromium; then
  echo "browser tests need Chromium: install Debian's package chromium-headless-shell or chromium, or set ECHOSCOPE_CHROMIUM to the program" >&2
  exit 1
fi
if ! command -v prometheus >/dev/null && ! installed prometheus; then
  echo "the queries of deploy/ are not tried against a Prometheus: install Debian's package prometheus" >&2
fi
if ! command -v strace >/dev/null && ! installed strace; then
  echo "the cross-check of counted system calls needs strace: install Debian's package strace" >&2
  exit 1
fi
# Proxies that some tests run for real; without them those are skipped.
for program in haproxy nginx caddy; do
  [ $program = nginx ] && package="nginx-light libnginx-mod-stream" || package=$program
  { command -v $program >/dev/null && { [ $program != nginx ] || [ -e /usr/lib/nginx/modules/ngx_stream_module.so ]; }; } || installed $package \
    || echo "tests with $program are skipped: Debian's $package is not installed" >&2
done
