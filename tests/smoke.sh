#!/bin/sh
# Runs tests/smoke.py on every Python from 3.11 on that is installed, each in an environment of its own.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
seen=""
for python in python3.11 python3.12 python3.13 python3.14 "$HOME"/.pyenv/versions/3.1[1-9].*/bin/python3; do
  # A name on the PATH may be a stand-in for a version that is not chosen: only one that runs counts.
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  case " $seen " in *" $version "*) continue ;; esac
  seen="$seen $version"
  "$python" -m venv "$directory/$version"
  "$directory/$version/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.txt
  "$directory/$version/bin/python" tests/smoke.py
  rm -rf "${directory:?}/$version"
done
[ -n "$seen" ] || { echo "no Python from 3.11 on is installed" >&2; exit 1; }
