#!/bin/bash
# Every frame comes to both viewers as it was shown, in either way.
set -euo pipefail
said=$(examples/frames/frames --frames=20)
for way in "in a shared buffer" "in messages, as bytes"; do
  grep -q "$way  *[0-9]" <<<"$said" || { printf 'no "%s" in:\n%s\n' "$way" "$said"; exit 1; }
done
