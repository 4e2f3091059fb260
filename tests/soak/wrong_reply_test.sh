#!/bin/bash
# One reply of a server that is wrong on purpose must fail each of the programs, whatever else goes
# well: they are only worth what they can find.
set -euo pipefail

# expect_complaint PROGRAM ARGS...
expect_complaint() {
  local said code=0
  said=$("$@" 2>&1) || code=$?
  if ((code != 1)) || ! grep -q 'wrong content: ' <<<"$said"; then
    printf '%s\nexit status %d instead of 1, or no complaint: %s\n' "$said" "$code" "$*"
    exit 1
  fi
}

for medium in shm unix; do
  expect_complaint tests/soak/soak --medium="$medium" --calls=5000 --wrong_at=3000
  expect_complaint tests/soak/chaos --medium="$medium" --blows=5 --wrong_at=50
done
