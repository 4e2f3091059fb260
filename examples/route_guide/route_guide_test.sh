#!/bin/bash
# The program says what the service knows.
set -euo pipefail
diff - <("$@") <<'EXPECTED'
at the point: the mill
in the area: the mill
in the area: the bridge
walked past 3 of 3 points, 130 km
somebody wrote: fresh bread
EXPECTED
