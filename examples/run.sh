#!/bin/bash
# Runs a program as a test.
exec "$@"
