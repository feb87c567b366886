#!/usr/bin/env bash
# The TCP ports of a machine: each port that has a name is reserved at exactly its address, with
# the name as a label; programs then get dynamic ports from 49152 up. Names come from the file
# VMEMD_SERVICES, else /etc/services, else from services.txt beside this script.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
source "$here/lib.sh"

services=${VMEMD_SERVICES:-/etc/services}
if [[ ! -r $services ]]; then services=$here/services.txt; fi

call POST /v1/arenas '{"name":"tcp-ports","width":32,"policy":"firstfit",
  "spans":[{"base":0,"end":65535}]}'
# Port 0 means "any" to the operating system, so nobody may have it.
call POST /v1/arenas/tcp-ports/xalloc '{"size":1,"address":0,"labels":{"name":"reserved"}}'

echo 'Reserved:'
count=0
last=0
# "name port/tcp aliases # comment", by port; a second name for the same port is left out.
while read -r port name; do
  [[ $port == "$last" ]] && continue
  last=$port
  call POST /v1/arenas/tcp-ports/xalloc \
    "{\"size\":1,\"address\":$port,\"labels\":{\"name\":\"$name\"}}"
  expect "the address of $name" "$port" "$(field address)"
  printf '  %5d %s\n' "$port" "$name"
  count=$((count + 1))
done < <(sed -nE 's@^([^#[:space:]]+)[[:space:]]+([0-9]+)/tcp.*@\2 \1@p' "$services" |
  sort -k1,1n -s)

# A port that is reserved is refused, whoever asks.
refused taken POST /v1/arenas/tcp-ports/xalloc "{\"size\":1,\"address\":$last}"

echo 'Dynamic:'
for program in web-test database-test proxy-test; do
  call POST /v1/arenas/tcp-ports/xalloc "{\"size\":1,\"min\":49152,\"owner\":\"$program\"}"
  printf '  %5d %s\n' "$(field address)" "$program"
done
# A block of ports for passive FTP, aligned for a firewall rule that masks bits.
call POST /v1/arenas/tcp-ports/xalloc '{"size":64,"align":64,"min":49152,"owner":"ftp-passive"}'
printf '  %5d - %d %s\n' "$(field address)" "$(field end)" ftp-passive

call GET '/v1/arenas/tcp-ports/allocations?label=name%3Dssh'
expect 'the port with the name ssh' 22 "$(field address)"
call GET /v1/arenas/tcp-ports
echo "Found ssh by its name at port 22; $count names reserved, $(field free) ports free."
