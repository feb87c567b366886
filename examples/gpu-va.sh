#!/usr/bin/env bash
# The virtual address space of a GPU: 2^48 bytes in pages of 4 KiB. Large buffers are aligned to
# 2 MiB, so that the page tables can use large pages; a ring buffer must not cross a 4 GiB boundary,
# because the hardware counts in it with 32 bits.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KiB=1024 MiB=$((1 << 20)) GiB=$((1 << 30))

# bestfit puts small buffers into the gaps that alignment leaves.
call POST /v1/arenas "{\"name\":\"gpu.va\",\"notation\":\"hex\",\"quantum\":$((4 * KiB)),
  \"policy\":\"bestfit\",\"spans\":[{\"base\":\"0x0\",\"size\":\"0x1000000000000\"}]}"

# buffer NAME FIELDS: allocates under a constraint and prints where it is.
buffer() {
  call POST /v1/arenas/gpu.va/xalloc "{$2,\"labels\":{\"buffer\":\"$1\"}}"
  printf '  %-14s %14s - %-14s %11s bytes\n' "$1" "$(field address)" "$(field end)" "$(field size)"
}

# aligned NAME ALIGN: the latest answer has to begin at a multiple of ALIGN.
aligned() {
  expect "$1 modulo $2" 0 $(($(field address) % $2))
}

echo 'Granted:'
# Nothing is ever at 0, so that a null pointer faults.
buffer null-guard "\"size\":$((4 * KiB)),\"address\":\"0x0\""
for texture in texture-a texture-b; do
  buffer "$texture" "\"size\":$((5 * MiB)),\"align\":$((2 * MiB))"
  aligned "$texture" $((2 * MiB))
done
for ring in ring-a ring-b; do
  buffer "$ring" "\"size\":$((3 * GiB)),\"align\":$((2 * MiB)),\"nocross\":$((4 * GiB))"
  aligned "$ring" $((2 * MiB))
  expect "the 4 GiB window of the end of $ring" \
    $(($(field address) / (4 * GiB))) $(($(field end) / (4 * GiB)))
done
# Not a multiple of the quantum: it is rounded up to whole pages.
buffer command-list '"size":5000'
expect 'the size of command-list' $((8 * KiB)) "$(field size)"
# Addressed with 32 bits, and in the upper half of 64 KiB, whose lower half the firmware maps.
buffer shader "\"size\":$((16 * KiB)),\"align\":$((64 * KiB)),\"phase\":$((32 * KiB)),
  \"max\":\"0xffffffff\""
expect 'shader modulo 64 KiB' $((32 * KiB)) $(($(field address) % (64 * KiB)))

# What could never succeed is told apart from what is full right now.
refused never-fits POST /v1/arenas/gpu.va/xalloc "{\"size\":$((2 * GiB)),\"max\":\"0x3fffffff\"}"

call GET /v1/arenas/gpu.va
printf '%s allocations, %s of %s bytes allocated, %s holes.\n' \
  "$(field allocations)" "$(field allocated)" "$(field size)" "$(field holes)"
