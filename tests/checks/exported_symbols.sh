#!/bin/sh
# exported_symbols.sh LIBRARY LEAST [PREFIX]: every symbol that the library defines for others is tm_*, or PREFIX*, and there are at least so many; the C interface is the only one.
set -eu
names="^tm_"; [ -z "${3:-}" ] || names="$names\|^$3"
all=$(nm -D --defined-only "$1" | awk '$2 != "A" {print $3}' | sed 's/@.*//')
[ "$(echo "$all" | grep -c "$names")" -ge "$2" ] || { echo "too few symbols: is this the library?" >&2; exit 1; }
others=$(echo "$all" | grep -v "$names" || true)
[ -z "$others" ] || { echo "exported although not $names:" >&2; echo "$others" >&2; exit 1; }
