/**
 * The marker that stands beside nonces in Redis and shares their fate: as long as it is there, unchanged and on the
 * same server, nothing recorded since it was written can be forgotten (docs/protocol.md, section 2.9).
 *
 *     ID RUN KIND SECOND
 */
export interface MemoryMarker {
  /** "new": nobody knew of an earlier memory. "lost": there was one, and it is gone. */
  readonly kind: "new" | "lost";
  /** Unix second in which it was written. */
  readonly second: number;
}

const form = /^[\w-]{11} \w+ (new|lost) ([0-9]{1,15})$/;

/** @returns undefined for what is no marker */
export function readMarker(text: string): MemoryMarker | undefined {
  const [, kind, second] = form.exec(text) ?? [];
  return kind === undefined ? undefined : { kind: kind as MemoryMarker["kind"], second: Number(second) };
}

/**
 * KEYS: the marker's. ARGV: the marker as known, or "". "1": it is unchanged, and this is the server that it was written
 * on. Otherwise the moment of the server's life: its run_id and the seconds for which it has been up.
 */
export const vouchScript = `
local server = redis.call('INFO', 'server')
local run = string.match(server, 'run_id:(%w+)') or '?'
local same = redis.call('GET', KEYS[1]) == ARGV[1] and string.match(ARGV[1], '^%S+ (%w+) ') == run
return same and '1' or run .. ' ' .. string.match(server, 'uptime_in_seconds:(%d+)')`;

/**
 * KEYS: the marker's. ARGV: the marker as known, or ""; the Unix second in which the asker last accepted a nonce, or
 * 0; the second now; an id for a new marker; what a missing marker says to an asker who never knew one; the moment
 * of the server's life just before "now" was read. Returns the marker that holds from now on, and on a second line the
 * server's limit of memory and how it evicts. A client may have held the script back, or sent it again after the server
 * was lost: its "now" would date a loss too early, so a script that comes late does nothing.
 *
 * A marker of another server run is replaced (a restart, a replica that was promoted), and so is one that the asker
 * does not know and that was written too early to stand for the loss of what the asker has accepted elsewhere, or so
 * late that a clock must be wrong.
 */
export const establishScript = `
local server = redis.call('INFO', 'server')
local run = string.match(server, 'run_id:(%w+)')
if not run then return redis.error_reply('NORUNID the server does not tell its run_id') end
local up = tonumber(string.match(server, 'uptime_in_seconds:(%d+)'))
local asked, then_up = string.match(ARGV[6], '^(%w+) (%d+)$')
if asked ~= run or up > then_up + 2 then return redis.error_reply('LATE this was to be done before') end
local known, since, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local marker = redis.call('GET', KEYS[1])
local of, kind, second = string.match(marker or '', '^%S+ (%w+) (%a+) (%d+)$')
local at = tonumber(second or 0)
if at > now + 60 then of, at = nil, 0 end
local naive = known == '' and since == 0
local covered = marker == known or naive or (kind == 'lost' and since <= at + 10)
if of ~= run or not covered then
  local says = (naive and not marker) and ARGV[5] or 'lost'
  marker = ARGV[4] .. ' ' .. run .. ' ' .. says .. ' ' .. string.format('%d', math.max(now, at))
  redis.call('SET', KEYS[1], marker)
end
local memory = redis.call('INFO', 'memory')
local limit = string.match(memory, 'maxmemory:(%d+)') or '?'
return marker .. '\\n' .. limit .. ' ' .. (string.match(memory, 'maxmemory_policy:([%w-]+)') or '?')`;
