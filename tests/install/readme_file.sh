#!/bin/bash
# Prints the file NAME of README's quick start. Fails when there is none.
#
# usage: readme_file.sh NAME
awk -v mark="<!-- file: ${1:?usage: readme_file.sh NAME} -->" '
  $0 == mark {found = 1; next}
  found && /^```/ {if (++fences == 2) exit; next}
  found
  END {exit fences != 2}' "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../README.md"
