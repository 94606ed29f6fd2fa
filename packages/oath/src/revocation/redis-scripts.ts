import { utf8 } from "@authmesh/core";
import type { RevocationKey } from "../revocation.js";

/** How a list lies in Redis: docs/protocol.md, section 8.7. */

export const slots: readonly string[] = Array.from({ length: 64 }, (_, i) => String(i));

/** The braces are a hash tag of Redis Cluster: an entry lies on the server of its slot's marker. */
export const markerKey = (prefix: string, issuer: string, slot: string): string =>
  `${prefix}{${slot}}${issuer}`;

/** Neither an issuer nor a kind of subject holds a space. */
export function entryKeys(
  prefix: string,
  { issuer, by, value }: RevocationKey,
): { entry: string; marker: string } {
  const sum = utf8(value).reduce((total, byte) => total + byte, 0);
  const marker = markerKey(prefix, issuer, String(sum % slots.length));
  return { entry: `${marker} ${by} ${value}`, marker };
}

const server = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '?'
local marker = redis.call('GET', KEYS[1]) or ''
local of, log, second = string.match(marker, '^(%w+) ([%w_-]+) (%d+)$')
`;

/** KEYS: marker, entry. "": the marker is not good. Else its second, and behind a space what is said of the entry. */
export const readScript = `${server}
if of ~= run then return '' end
local wrote, change = string.match(redis.call('GET', KEYS[2]) or '', '^([%w_-]+) %d+ (.*)$')
return second .. ' ' .. (wrote == log and change or '')`;

/** KEYS: an entry. ARGV: log, generation, change, milliseconds to live or "". */
export const putScript = `
local log, generation = string.match(redis.call('GET', KEYS[1]) or '', '^([%w_-]+) (%d+) ')
if log == ARGV[1] and tonumber(generation) >= tonumber(ARGV[2]) then return 0 end
local entry = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]
if ARGV[4] == '' then redis.call('SET', KEYS[1], entry) else redis.call('SET', KEYS[1], entry, 'PX', ARGV[4]) end
return 1`;

/** KEYS: marker. ARGV: log, the name of this filling. "evicts", "good", or "filling". */
export const beginScript = `${server}
local memory = redis.call('INFO', 'memory')
local limit = string.match(memory, 'maxmemory:(%d+)')
if limit ~= '0' and string.match(memory, 'maxmemory_policy:([%w-]+)') ~= 'noeviction' then return 'evicts' end
if of == run and log == ARGV[1] then return 'good' end
redis.call('SET', KEYS[1], run .. ' filling ' .. ARGV[2])
return 'filling'`;

/** KEYS: marker. ARGV: log, the second now, the name of a filling that is complete, or "". 1: the marker is good. */
export const confirmScript = `${server}
local good = of == run and log == ARGV[1]
if not good and (ARGV[3] == '' or marker ~= run .. ' filling ' .. ARGV[3]) then return 0 end
local latest = string.format('%d', math.max(tonumber(good and second or 0), tonumber(ARGV[2])))
redis.call('SET', KEYS[1], run .. ' ' .. ARGV[1] .. ' ' .. latest)
return 1`;
