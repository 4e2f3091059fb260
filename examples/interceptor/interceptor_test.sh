#!/bin/bash
# The program says what its interceptors do.
set -euo pipefail
diff - <("$@") <<'EXPECTED'
server: /helloworld.Greeter/SayHello: 1 sent, 1 received, OK
client: /helloworld.Greeter/SayHello: 1 sent, 1 received, OK
hello ann
server: /helloworld.Greeter/SayHello: 0 sent, 0 received, UNAUTHENTICATED
UNAUTHENTICATED: who are you?
server: /helloworld.Greeter/SayHello: 1 sent, 1 received, OK
hello ann
UNAVAILABLE: lost on purpose
EXPECTED
