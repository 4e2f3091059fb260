#!/bin/bash
# A client without rights reads a file that the helper may open, and nothing beside it. As root it is
# another user; otherwise the file is merely one that the client was not told the place of.
set -euo pipefail
folder=$(mktemp -d /tmp/open_file.XXXXXX)
helper_pid=
cleanup() {
  [[ -z "$helper_pid" ]] || kill "$helper_pid" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
mkdir "$folder/secrets" "$folder/meeting"
echo "the treasure is under the oak" >"$folder/secrets/map"
echo "not for you" >"$folder/outside"
ln -s ../outside "$folder/secrets/link"
chmod 700 "$folder/secrets"
chmod 600 "$folder/secrets/map"
chmod 755 "$folder" "$folder/meeting"
# A user may not be able to look into the folder of the program.
cp -L examples/open_file/client "$folder/client"
chmod 755 "$folder/client"

expect() {
  [[ "$1" == *"$2"* ]] || { printf 'no "%s" in:\n%s\n' "$2" "$1"; exit 1; }
}

# Nobody, if this is root, and the namespace has one.
stranger=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
for medium in unix shm; do
  address="$medium:$folder/meeting/$medium?mode=0666"
  examples/open_file/helper "$address" "$folder/secrets" >"$folder/log" 2>&1 &
  helper_pid=$!
  # Anybody may have put it there, so the client says that it takes anybody's word.
  ask=("$folder/client" "$medium:$folder/meeting/$medium?server=*")
  if "${stranger[@]}" true 2>/dev/null; then
    ask=("${stranger[@]}" "${ask[@]}")
    if "${stranger[@]}" cat "$folder/secrets/map" 2>/dev/null; then exit 1; fi
  fi
  expect "$("${ask[@]}" map)" "the treasure is under the oak"
  for name in missing link ../outside /etc/hostname; do
    said=$("${ask[@]}" "$name" 2>&1) && { echo "$name was given out"; exit 1; }
    if [[ "$name" == missing ]]; then
      expect "$said" NOT_FOUND
    elif [[ "$said" == *"not for you"* ]]; then
      exit 1
    fi
  done
  expect "$(cat "$folder/log")" "opened map for user"
  kill "$helper_pid"
  wait "$helper_pid"
  helper_pid=
done

# A helper that the client starts: over a socket, and not over pipes.
helper="exec:examples/open_file/helper stdio: $folder/secrets"
expect "$("$folder/client" "$helper?socket=on" map 2>/dev/null)" "the treasure is under the oak"
said=$("$folder/client" "$helper" map 2>&1) && { echo "a pipe carried a file"; exit 1; }
expect "$said" "UNIMPLEMENTED"
expect "$said" "carries no descriptors"
