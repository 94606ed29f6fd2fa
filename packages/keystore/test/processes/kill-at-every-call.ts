import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { start } from "./child.js";

/** What the child can do; see kill-at-call.js. */
export type Work =
  | "bootstrap"
  | "init"
  | "update"
  | "prepare"
  | "finish"
  | "cancel"
  | "forget"
  | "replace"
  | "take back";

/** What a process that was killed left in the folder beside its files. */
export const leftovers = (dir: string) => readdirSync(dir).filter((name) => /\.tmp$|\.lock$/.test(name));

/**
 * Does the work in a child process that kills itself just before its first call to the file system, in another that
 * does so before its second, and so on until one lives to the end. Each has a folder of its own.
 *
 * @param more arguments of the child beside folder, work and call
 * @returns how many were killed
 */
export async function killAtEveryCall(
  work: Work,
  makeFolder: () => string,
  inspect: (dir: string, reported: string | undefined) => Promise<void>,
  ...more: readonly string[]
): Promise<number> {
  for (let kills = 0; ; ) {
    const calls = [1, 2, 3, 4].map((next) => kills + next);
    const ends = await Promise.all(
      calls.map(async (call) => {
        const dir = makeFolder();
        const child = start("kill-at-call.js", [dir, work, call, ...more]);
        const end = await child.ended;
        expect([0, "SIGKILL"]).toContain(end);
        await inspect(dir, child.lines[0]);
        expect(leftovers(dir), `call ${call}`).toEqual([]);
        return end;
      }),
    );
    kills += ends.filter((end) => end === "SIGKILL").length;
    if (ends.includes(0)) return kills;
  }
}
