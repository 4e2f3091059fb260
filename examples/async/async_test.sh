#!/bin/bash
# What the example prints.
set -euo pipefail
diff - <("$@") <<'END'
hello ann
hello bob
hello cid
hello again, time 1
hello again, time 2
hello again, time 3
the stream ended with OK
END
