#!/bin/bash
# What a shared library lets programs use: functions, objects, and the tables of its classes.
# usage: exported_symbols.sh LIBRARY
set -euo pipefail
export LC_ALL=C
# Weak functions are inline or of templates: they differ from compiler to compiler, and programs have
# their own. So are tables of the standard library's classes.
nm --dynamic --defined-only --demangle "$1" |
  sed -nE 's/^[0-9a-f]+ ([TDRBV]) (.*)$/\2/p' |
  grep -E '^((vtable|typeinfo|typeinfo name) for )?nigh::' | sort -u
