#!/usr/bin/env bash
# An IPv4 plan in one block: 10.0.0.0/8 is divided into regions of a /12, clusters of a /16, nodes
# of a /24 and single pod addresses. Each level is an arena that imports from the one above. Nobody
# has to prepare a level: whoever asks for a pod address gets a node's /24, a cluster's /16 and a
# region's /12 taken on the way where there is no room, all or nothing; and freeing gives them back.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The quantum says what a level hands out at least, importSize what it takes from above: so every
# import is exactly one prefix. A size is 2^(32 - prefix length).
call POST /v1/arenas '{"name":"ipv4.root","notation":"ipv4","quantum":1048576,"policy":"firstfit",
  "spans":[{"cidr":"10.0.0.0/8"}]}'
call POST /v1/arenas '{"name":"ipv4.regions","notation":"ipv4","quantum":65536,"policy":"firstfit",
  "source":"ipv4.root","importSize":1048576}'
call POST /v1/arenas '{"name":"ipv4.clusters","notation":"ipv4","quantum":256,"policy":"firstfit",
  "source":"ipv4.regions","importSize":65536}'
call POST /v1/arenas '{"name":"ipv4.nodes","notation":"ipv4","quantum":1,"policy":"firstfit",
  "source":"ipv4.clusters","importSize":256}'
call POST /v1/arenas '{"name":"ipv4.pods","notation":"ipv4","quantum":1,"policy":"firstfit",
  "source":"ipv4.nodes","importSize":1}'

grants=()

# grant ARENA PREFIX_LENGTH OWNER: allocates, prints and remembers it.
grant() {
  call POST "/v1/arenas/$1/alloc" "{\"prefixLength\":$2,\"owner\":\"$3\"}"
  grants+=("/v1/arenas/$1/allocations/$(field address)")
  printf '  %-15s %-24s %s\n' "$1" "$(field cidr)" "$3"
}

echo 'Granted:'
grant ipv4.pods 32 pod-a
grant ipv4.pods 32 pod-b
grant ipv4.nodes 24 node-spare
grant ipv4.clusters 16 cluster-spare
grant ipv4.regions 12 region-spare
grant ipv4.pods 32 pod-c
pod=$(field address)

echo 'Spans:'
show_spans ipv4.root
show_spans ipv4.regions
show_spans ipv4.clusters
show_spans ipv4.nodes
show_spans ipv4.pods

echo "What is $pod?"
show_way ipv4.root "$pod"
expect 'the owner at the end of the way' pod-c "$(field owner)"
echo "  held by $(field owner)"

# A range that another arena has imported is not to be freed over its head.
call GET '/v1/arenas/ipv4.root/allocations?limit=1'
refused allocation-busy DELETE "/v1/arenas/ipv4.root/allocations/$(field address)"

for path in "${grants[@]}"; do
  call DELETE "$path"
done
for arena in ipv4.pods ipv4.nodes ipv4.clusters ipv4.regions; do
  call GET "/v1/arenas/$arena"
  expect "spans left in $arena" 0 "$(field spans)"
done
call GET /v1/arenas/ipv4.root
expect 'addresses allocated in ipv4.root' 0 "$(field allocated)"
echo "Freed all ${#grants[@]};" \
  "ipv4.root has $(field allocated) of $(field size) addresses allocated."
