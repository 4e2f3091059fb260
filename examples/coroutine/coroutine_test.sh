#!/bin/bash
# What the example prints.
set -euo pipefail
diff - <("$@") <<'END'
hello ann
hello bob, time 1
hello bob, time 2
hello ann and bob
1000 conversations at once
END
