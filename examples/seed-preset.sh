#!/usr/bin/env bash
# The preset of the unit test that the vmem allocator of NetBSD carries at the end of its source
# (subr_vmem.c): seven spans, added out of order, and its requests with known answers. Every answer
# is checked, so that this shows at a glance whether vmemd still has the semantics of its model.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

call POST /v1/arenas '{"name":"test","notation":"decimal","quantum":1,"policy":"instantfit"}'
expect 'the size of an empty arena' 0 "$(field size)"

echo 'Spans:'
for span in 0,50 100,200 2000,1 40000,65536 10000,10000 500,1000 0xffffff00,0x100; do
  call POST /v1/arenas/test/spans "{\"base\":\"${span%,*}\",\"size\":\"${span#*,}\"}"
  printf '  %10s - %-10s %5s addresses\n' "$(field base)" "$(field end)" "$(field size)"
done

# xalloc SIZE MIN MAX ANSWER: ANSWER is the address that is to be granted, or a problem code.
xalloc() {
  local body="{\"size\":\"$1\",\"min\":\"$2\",\"max\":\"$3\"}"
  if [[ $4 == [0-9]* ]]; then
    call POST /v1/arenas/test/xalloc "$body"
    expect "the address of $1 in $2 - $3" $(($4)) "$(field address)"
  else
    refused "$4" POST /v1/arenas/test/xalloc "$body"
  fi
  printf '  %-5s in %10s - %-10s  %s\n' "$1" "$2" "$3" "$4"
}

echo 'Answers:'
xalloc 0x101 0xffffff00 0xffffffff never-fits
xalloc 50 0 49 0
call DELETE '/v1/arenas/test/allocations/0?size=50'
xalloc 25 0 24 0
xalloc 0x100 0xffffff01 0xffffffff never-fits
xalloc 0x100 0xffffff00 0xfffffffe never-fits
xalloc 0x100 0xffffff00 0xffffffff 0xffffff00
# The same once more, where nothing is left of it.
xalloc 0x100 0xffffff00 0xffffffff exhausted

call GET /v1/arenas/test
expect 'addresses in the arena' $((50 + 200 + 1 + 65536 + 10000 + 1000 + 256)) "$(field size)"
expect 'addresses allocated' $((25 + 256)) "$(field allocated)"
call GET /v1/arenas/test/check
expect 'the check of the arena' true "$(field ok)"

echo 'Segments:'
call GET /v1/arenas/test/segments
while read -r segment; do
  printf '  %10s - %-10s %s\n' "$(field address "$segment")" "$(field end "$segment")" \
    "$(field state "$segment")"
done < <(items)
