/**
 * What amesh asks of Redis, whichever client library carries it. Every command names one key, so that it works in a
 * cluster as it is.
 */
export interface RedisCommands {
  /**
   * Sends one command to the server that holds `key`. Commands for keys of one slot that are sent without waiting
   * in between go over one connection and are carried out in their order.
   *
   * @param command name and arguments: `["SET", "am:x", "1", "NX", "PX", "71000"]`
   * @returns the reply as the library reads it: text (maybe as bytes), a number, null
   */
  send(key: string, command: readonly [string, ...string[]]): Promise<unknown>;
  close(): Promise<void>;
}
