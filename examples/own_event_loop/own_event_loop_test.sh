#!/bin/bash
# What the example prints.
set -euo pipefail
diff - <(printf 'ann\nbob\n' | "$@") <<'END'
hello ann
hello bob
threads: 1
END
