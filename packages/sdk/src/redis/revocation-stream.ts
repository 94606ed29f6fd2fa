import { longestDeviceRevocation, type RedisCommands } from "@authmesh/core";

/** What the stream keeps at most; the oldest go first. */
export const mostStatements = 100_000;
const pageSize = 1000;

/**
 * KEYS: the stream's. ARGV: the id of the entry that was read last, or ""; how many entries at most; how long a statement is at most.
 * Ids and statements by turns. If the entry that was read last is not there any more, the one word "lost". What is too long,
 * or no statement by its form, is left out here, so that a flood of it does not reach the client.
 */
const readScript = `
local after, out = ARGV[1], {}
local page = redis.call('XRANGE', KEYS[1], after == '' and '-' or after, '+', 'COUNT', tonumber(ARGV[2]) + 1)
if after ~= '' and (not page[1] or page[1][1] ~= after) then return {'lost'} end
for i = after == '' and 1 or 2, #page do
  local id, fields = page[i][1], page[i][2]
  local fits = #fields == 2 and fields[1] == 's' and #fields[2] <= tonumber(ARGV[3])
  out[#out + 1] = id
  out[#out + 1] = fits and fields[2] or ''
end
return out`;

export interface StreamPage {
  readonly statements: readonly string[];
  /** The id of the last entry; what was asked with, if there was none. */
  readonly last: string;
  /** Whether there may be more right now. */
  readonly more: boolean;
}

/** The statements of a fleet that has no authority, in Redis: a stream that everybody reads from its beginning (docs/protocol.md, section 9.5). */
export class RevocationStream {
  readonly #commands: RedisCommands;
  readonly #key: string;

  /** @param prefix what keys of the deployment begin with */
  constructor(commands: RedisCommands, prefix: string) {
    this.#commands = commands;
    this.#key = `${prefix}devices`;
  }

  /**
   * What stands behind an entry, at most 1,000 statements; what is none is "".
   *
   * @param last the id of the entry, or "" for the beginning
   * @returns "lost" where that entry is gone: Redis was emptied or replaced, or the stream was cut behind it
   */
  async read(last: string): Promise<StreamPage | "lost"> {
    const args = [last, String(pageSize), String(longestDeviceRevocation)];
    const answer = await this.#commands.send(this.#key, ["EVAL", readScript, "1", this.#key, ...args]);
    const words = Array.isArray(answer) ? answer.map(String) : [];
    if (words[0] === "lost") return "lost";
    return {
      statements: words.filter((_, i) => i % 2 === 1),
      last: words.at(-2) ?? last,
      more: words.length > 2 * (pageSize - 1),
    };
  }

  async append(statement: string): Promise<void> {
    const limit = ["MAXLEN", "~", String(mostStatements)] as const;
    await this.#commands.send(this.#key, ["XADD", this.#key, ...limit, "*", "s", statement]);
  }
}
