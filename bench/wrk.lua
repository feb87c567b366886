-- The requests of one run of wrk, for wrk.ts. The first word after "--" says which:
--
--   same METHOD PATH [BODY]      always the same request
--   number METHOD PATH COUNT     PATH with a number below COUNT at its end, drawn anew each time
--   count METHOD PATH COUNT      PATH with 0, 1, 2 … at its end; the run ends before COUNT
--   window PATH BODY SPAN        BODY with min and max of a window of SPAN, drawn anew each time
--   hold PATH BODY FILE          in turn, a free of an allocation that is held, drawn at random, and
--                                an allocation, which is held then; FILE has the first addresses
--   spread BODY FILE             the same over many arenas: an allocation is in the arena in which
--                                something has just been freed; FILE has ARENA/allocations/ADDRESS
--
-- Draws begin with the same seed in every run.

local next_request

local function text(method, path, body)
  local head = method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n"
  if body == nil then return head .. "\r\n" end
  return head .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

local generators = {}

function generators.same(method, path, body)
  local request = text(method, path, body)
  return function() return request end
end

function generators.number(method, path, count)
  count = tonumber(count)
  return function() return text(method, path .. math.random(0, count - 1)) end
end

function generators.count(method, path, count)
  count = tonumber(count)
  local at = 0
  return function()
    if at + 1 >= count then wrk.thread:stop() end
    at = at + 1
    return text(method, path .. at - 1)
  end
end

function generators.window(path, body, span)
  span = tonumber(span)
  local inside = body:sub(2, -2)
  return function()
    local min = math.random(0, 1048575) * span
    local window = string.format('"min":"%.0f","max":"%.0f"', min, min + span - 1)
    return text("POST", path, "{" .. inside .. "," .. window .. "}")
  end
end

function generators.hold(path, body, file)
  local held, count = {}, 0
  for line in io.lines(file) do
    count = count + 1
    held[count] = line
  end
  local allocation = text("POST", path .. "/alloc", body)
  local allocations = path .. "/allocations/"
  local free_next = true
  function response(status, _, answer)
    if status ~= 201 then return end
    count = count + 1
    held[count] = answer:match('"address":"(%d+)"')
  end
  return function()
    free_next = not free_next
    if not free_next or count == 0 then return allocation end
    local at = math.random(1, count)
    local address = held[at]
    held[at] = held[count]
    held[count] = nil
    count = count - 1
    return text("DELETE", allocations .. address)
  end
end

function generators.spread(body, file)
  local held, count = {}, 0
  for line in io.lines(file) do
    count = count + 1
    held[count] = line
  end
  local arenas = "/v1/arenas/"
  local texts = {}
  local arena = held[1]:match("^[^/]+")
  local function allocation()
    local found = texts[arena]
    if found == nil then
      found = text("POST", arenas .. arena .. "/alloc", body)
      texts[arena] = found
    end
    return found
  end
  local free_next = true
  function response(status, _, answer)
    if status ~= 201 then return end
    local name, address = answer:match('"arena":"([^"]+)","address":"(%d+)"')
    count = count + 1
    held[count] = name .. "/allocations/" .. address
  end
  return function()
    free_next = not free_next
    if not free_next or count == 0 then return allocation() end
    local at = math.random(1, count)
    local path = held[at]
    held[at] = held[count]
    held[count] = nil
    count = count - 1
    arena = path:match("^[^/]+")
    return text("DELETE", arenas .. path)
  end
end

function init(words)
  math.randomseed(20260131)
  next_request = generators[words[1]](words[2], words[3], words[4])
end

function request()
  return next_request()
end

-- One line of JSON: times in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"p50":%d,"p99":%d,"p999":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
