#!/bin/sh
# exported_symbols.sh LIBRARY LEAST: every symbol that the library defines for others is tm_*, and there are at least so many; the C interface is the only one.
set -eu
all=$(nm -D --defined-only "$1" | awk '$2 != "A" {print $3}' | sed 's/@.*//')
[ "$(echo "$all" | grep -c '^tm_')" -ge "$2" ] || { echo "too few symbols: is this the library?" >&2; exit 1; }
others=$(echo "$all" | grep -v '^tm_' || true)
[ -z "$others" ] || { echo "exported although not tm_*:" >&2; echo "$others" >&2; exit 1; }
