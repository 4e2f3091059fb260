#!/bin/bash
# A plugin crashes on the second word; everything else is answered.
set -euo pipefail
said=$(examples/plugin_host/host one palindrome two 2>"$TEST_TMPDIR/errors")
expect() {
  [[ "$said" == *"$1"* ]] || { printf 'no "%s" in:\n%s\n' "$1" "$said"; exit 1; }
}
expect "upper one: ONE"
expect "reverse one: eno"
expect "upper palindrome: PALINDROME"
expect "was killed by signal 6 (Aborted)"
expect "cannot bear the word palindrome"
expect "upper two: TWO"
expect "reverse two: owt"
# What the plugin printed came out at the host's standard error.
grep -q "reversing one" "$TEST_TMPDIR/errors"
