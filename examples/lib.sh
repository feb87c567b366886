# What the examples share: one function that calls vmemd and checks the answer, and a few to read
# it. It is meant to be sourced. The calls need curl alone. Replies are JSON on one line with their
# fields in a fixed order, so that bash can read a field out of them; a program of yours should use
# a JSON parser instead.
#
#   VMEMD_URL     where the service is, http://127.0.0.1:7070 unless set
#   VMEMD_TOKEN   a bearer token, where the service asks for one

url=${VMEMD_URL:-http://127.0.0.1:7070}

# The body of the latest answer.
reply=

# call METHOD PATH [BODY]: sends a request and keeps the answer in $reply. An answer that is no
# success is printed, it is a problem document, and ends the script.
call() {
  request "$@"
  [[ $status == 2?? ]] && return
  printf '%s %s failed with status %s:\n%s\n' "$1" "$2" "$status" "$reply" >&2
  exit 1
}

# refused CODE METHOD PATH [BODY]: sends a request that has to be refused with this problem code.
refused() {
  local code=$1
  shift
  request "$@"
  [[ $status == 4?? && $(field code) == "$code" ]] && return
  printf '%s %s should be refused as %s, but got status %s:\n%s\n' \
    "$1" "$2" "$code" "$status" "$reply" >&2
  exit 1
}

request() {
  local method=$1 path=$2 answer
  local options=(--silent --show-error --max-time 30 --request "$method"
    --write-out '\n%{http_code}')
  if [[ $# -gt 2 ]]; then options+=(--header 'Content-Type: application/json' --data "$3"); fi
  # The token goes by a descriptor, because everyone on the machine can read a command line.
  if [[ -n ${VMEMD_TOKEN:-} ]]; then
    options+=(--header @<(printf 'Authorization: Bearer %s' "$VMEMD_TOKEN"))
  fi
  if ! answer=$(curl "${options[@]}" "$url$path"); then
    printf '%s %s got no answer: is vmemd running at %s?\n' "$method" "$path" "$url" >&2
    exit 1
  fi
  status=${answer##*$'\n'}
  reply=${answer%$'\n'*}
}

# field NAME [JSON]: prints the first field of that name, by default of $reply; nothing if absent.
field() {
  local json=${2-$reply}
  if [[ $json =~ \"$1\":\"?([^\",\}]*) ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

# items [NAME]: prints the objects of the array of that name in $reply, one a line; by default of
# "items", which every list has.
items() {
  local array=${reply#*\"${1:-items}\":[} boundary=$'}\n{'
  array=${array%%]*}
  if [[ -n $array ]]; then printf '%s\n' "${array//\},\{/$boundary}"; fi
}

# expect WHAT WANTED GOT: ends the script unless the two are the same.
expect() {
  [[ $2 == "$3" ]] && return
  printf '%s: expected %s, got %s\nThe latest answer was: %s\n' "$1" "$2" "$3" "$reply" >&2
  exit 1
}

# show_spans ARENA: prints where each span of the arena came from.
show_spans() {
  local item from
  call GET "/v1/arenas/$1/spans"
  while read -r item; do
    from=$(field from "$item")
    printf '  %-15s %-24s %s\n' "$1" "$(field cidr "$item")" \
      "$(field kind "$item")${from:+ from $from}"
  done < <(items)
}

# show_way ARENA ADDRESS: prints the way from the arena down to who holds the address now.
show_way() {
  local step
  call GET "/v1/arenas/$1/whatis/$2"
  while read -r step; do
    printf '  %-15s %s - %s %s\n' "$(field arena "$step")" "$(field address "$step")" \
      "$(field end "$step")" "$(field state "$step")"
  done < <(items path)
}
