import { createHash } from "node:crypto";

/** A Lua script that Redis carries out as one step. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/**
 * What each script begins with. ARGV: the prefix of all keys, this instance, the six limits, then the script's own
 * from ARGV[9]. The clock is Redis' own, since those of the instances have nothing in common.
 */
const prelude = `
local prefix, me = ARGV[1], ARGV[2]
local limits = {
  ['listens'] = { address = ARGV[3], relay = ARGV[4] },
  ['failures:short'] = { address = ARGV[5], relay = ARGV[6] },
  ['failures:long'] = { address = ARGV[7], relay = ARGV[8] },
}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The times of the last events, the newest first: whether so many of them lie in the last minute. What lies ahead was
-- recorded before the clock was set back.
local function used(what, scope, count)
  local oldest = redis.call('LINDEX', prefix .. what .. ':' .. scope, count - 1)
  return oldest and now - oldest >= 0 and now - oldest < 60000
end

local function full(what, scope)
  return used(what, scope, limits[what][scope == 'all' and 'relay' or 'address'])
end

local function record(what, address)
  for scope, limit in pairs({ [address] = limits[what].address, all = limits[what].relay }) do
    local key = prefix .. what .. ':' .. scope
    redis.call('LPUSH', key, now)
    redis.call('LTRIM', key, 0, limit - 1)
    redis.call('PEXPIRE', key, 60000)
  end
end

-- Who waits under a code. An instance that lives no more waits for nobody.
local function holder(key)
  local held = redis.call('HMGET', key, 'at', 'session')
  if not held[1] then return end
  if held[1] == me or redis.call('EXISTS', prefix .. 'instance:' .. held[1]) == 1 then return held[1], held[2] end
  redis.call('DEL', key)
end

local function hold(key, session, life)
  redis.call('DEL', key)
  redis.call('HSET', key, 'at', me, 'session', session)
  redis.call('PEXPIRE', key, life)
end

-- How much of what all may do in a minute is used, in eighths.
local function heat(what)
  local reached = 0
  for _, eighths in ipairs({ 4, 6, 7 }) do
    if not used(what, 'all', math.ceil(limits[what].relay * eighths / 8)) then break end
    reached = eighths
  end
  return reached
end

-- The instance lives, and this is the so-manieth time that it says so.
local function answer(word, first, second)
  local told = redis.call('INCR', prefix .. 'instance:' .. me)
  redis.call('PEXPIRE', prefix .. 'instance:' .. me, 6000)
  local listens = heat('listens')
  local short, long = math.max(listens, heat('failures:short')), math.max(listens, heat('failures:long'))
  return { told, short, long, word, first or '', second or '' }
end
`;

function script(source: string): Script {
  const whole = prelude + source;
  return { source: whole, sha: createHash("sha1").update(whole).digest("hex") };
}

/** Begins to wait. KEYS: the code. ARGV: session, life in milliseconds, address, kind. */
export const claimScript = script(`
local session, life, address, failures = ARGV[9], ARGV[10], ARGV[11], 'failures:' .. ARGV[12]
if full('listens', address) or full(failures, address) then return answer('rate_limited') end
if full('listens', 'all') or full(failures, 'all') then return answer('relay_capacity') end
record('listens', address)
if holder(KEYS[1]) then
  record(failures, address)
  return answer('otc_in_use')
end
hold(KEYS[1], session, life)
return answer('claimed')
`);

/** Answers a code, and tells the instance at which it waits. KEYS: the code. ARGV: address, kind, how many may be late, session. */
export const findScript = script(`
local address, failures, latecomers, talk = ARGV[9], 'failures:' .. ARGV[10], ARGV[11], ARGV[12]
if full(failures, address) then return answer('rate_limited') end
if full(failures, 'all') then return answer('relay_capacity') end
local at, session = holder(KEYS[1])
if at and redis.call('HEXISTS', KEYS[1], 'late') == 1 then
  if redis.call('HINCRBY', KEYS[1], 'late', 1) >= tonumber(latecomers) then redis.call('DEL', KEYS[1]) end
  record(failures, address)
  return answer('peer_already_connected')
end
if at and at ~= me then
  local joined = session .. ' 0 joined ' .. me .. ',' .. talk
  if redis.call('PUBLISH', prefix .. 'to:' .. at, joined) == 0 then
    redis.call('DEL', KEYS[1])
    at = nil
  end
end
if not at then
  record(failures, address)
  return answer('otc_not_found')
end
redis.call('HSET', KEYS[1], 'late', 0)
return answer(at == me and 'here' or 'elsewhere')
`);

/** A guess that missed, as this instance knows by itself. ARGV: address, kind. */
export const missScript = script(`
record('failures:' .. ARGV[10], ARGV[9])
return answer('recorded')
`);

/** Waits no more. KEYS: the code. ARGV: session. */
export const releaseScript = script(`
if redis.call('HGET', KEYS[1], 'session') == ARGV[9] then redis.call('DEL', KEYS[1]) end
return answer('released')
`);

/**
 * Says that the instance lives, claims codes again, and asks whether others live. KEYS: a key of the instance's, and the codes. ARGV:
 * session and life in milliseconds for each, then the instances. Answers with the places of codes that are
 * somebody else's by now, and of instances that live no more, each from 1.
 */
export const beatScript = script(`
local lost, gone, codes = {}, {}, #KEYS - 1
for i = 1, codes do
  local session, life = ARGV[7 + 2 * i], ARGV[8 + 2 * i]
  local at, held = holder(KEYS[i + 1])
  if at and held ~= session then table.insert(lost, i) else hold(KEYS[i + 1], session, life) end
end
for i = 9 + 2 * codes, #ARGV do
  local ears = redis.call('PUBSUB', 'NUMSUB', prefix .. 'to:' .. ARGV[i])[2]
  if ears == 0 or redis.call('EXISTS', prefix .. 'instance:' .. ARGV[i]) == 0 then
    table.insert(gone, i - 8 - 2 * codes)
  end
end
return answer('lives', lost, gone)
`);
