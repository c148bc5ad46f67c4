#!/bin/sh
# includes.sh CC CXX INCLUDE-DIR [OTHER-DIR]: each public header of the directory compiles by itself (with those of the other one at hand), the C ones as
# C11 and C++, without a warning.
set -eu
cc=$1 cxx=$2 include=$3 other=${4:-$3}
for header in "$include"/tm/*.h; do
    echo "#include <tm/$(basename "$header")>" | $cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$include" -I"$other" -fsyntax-only -x c -
    echo "#include <tm/$(basename "$header")>" | $cxx -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$include" -I"$other" -fsyntax-only -x c++ -
done
for header in "$include"/tm/*.hpp; do
    echo "#include <tm/$(basename "$header")>" | $cxx -std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$include" -I"$other" -fsyntax-only -x c++ -
done
for header in "$include"/tm/compat/pmdk/libpmemobj.h "$include"/tm/compat/pmdk/libpmemobj/*.h; do
    [ -e "$header" ] || continue
    for standard in "$cc -std=gnu11 -x c" "$cxx -std=c++20 -x c++"; do
        echo "#include \"${header#"$include"/tm/compat/pmdk/}\"" | $standard -Wall -Wextra -Werror -I"$include/tm/compat/pmdk" -fsyntax-only -
    done
done
for header in "$include"/tm/compat/simpletm/*.h; do
    [ -e "$header" ] || continue
    echo "#include \"$(basename "$header")\"" |
        $cc -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$include/tm/compat/simpletm" -I"$include" -I"$other" -fsyntax-only -x c -
done
