#!/usr/bin/env bash
# An IPv6 plan: 2001:db8::/32 is divided into sites of a /48, subnets of a /64 and hosts in them.
# A subnet has 2^64 addresses and the hosts' arena has a quantum of 1: addresses and sizes beyond
# what a JSON number can hold exactly travel as strings.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

site=1208925819614629174706176 # 2^80: a /48
subnet=18446744073709551616    # 2^64: a /64

call POST /v1/arenas "{\"name\":\"ipv6.root\",\"notation\":\"ipv6\",\"quantum\":\"$site\",
  \"policy\":\"firstfit\",\"spans\":[{\"cidr\":\"2001:db8::/32\"}]}"
call POST /v1/arenas "{\"name\":\"ipv6.sites\",\"notation\":\"ipv6\",\"quantum\":\"$subnet\",
  \"policy\":\"firstfit\",\"source\":\"ipv6.root\",\"importSize\":\"$site\"}"
call POST /v1/arenas "{\"name\":\"ipv6.hosts\",\"notation\":\"ipv6\",\"policy\":\"firstfit\",
  \"source\":\"ipv6.sites\",\"importSize\":\"$subnet\"}"

grants=()

# grant ARENA FIELDS OWNER: allocates under a constraint, prints and remembers it.
grant() {
  call POST "/v1/arenas/$1/xalloc" "{$2,\"owner\":\"$3\"}"
  grants+=("/v1/arenas/$1/allocations/$(field address)")
  printf '  %-15s %-30s %s\n' "$1" "$(field cidr)" "$3"
}

echo 'Granted:'
grant ipv6.sites '"prefixLength":48' branch-office
# The first host brings its subnet along. The lowest address of a subnet belongs to its routers.
grant ipv6.hosts '"size":1' router-anycast
grant ipv6.hosts '"size":1' web-1
grant ipv6.hosts '"size":1,"address":"2001:db8:1::53"' resolver
grant ipv6.hosts '"size":1,"address":"2001:db8:1::ffff:ffff:ffff:ffff"' last-address
# A subnet that has hosts in it is not to be had as a whole any more.
refused taken POST /v1/arenas/ipv6.sites/xalloc '{"prefixLength":64,"address":"2001:db8:1::"}'
grant ipv6.hosts '"prefixLength":80' container-pool
host=$(field address)

echo 'Spans:'
show_spans ipv6.root
show_spans ipv6.sites
show_spans ipv6.hosts

echo "What is $host?"
show_way ipv6.root "$host"
echo "  held by $(field owner)"

call GET /v1/arenas/ipv6.hosts
expect 'the size of ipv6.hosts' "$subnet" "$(field size)"
echo "ipv6.hosts has $(field allocated) of $(field size) addresses allocated."

for path in "${grants[@]}"; do
  call DELETE "$path"
done
call GET /v1/arenas/ipv6.root
expect 'addresses allocated in ipv6.root' 0 "$(field allocated)"
echo "Freed all ${#grants[@]}; ipv6.root has $(field allocated) addresses allocated."
