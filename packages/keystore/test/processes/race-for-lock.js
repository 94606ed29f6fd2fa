// node race-for-lock.js FOLDER ROUNDS DEAD_PID: takes the lock again and again, checks that nobody else is inside, and
// leaves it looking like a dead process's, so that all who wait try to break it at once.
import { closeSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { withLock } from "../../dist/internal/folder-lock.js";

const [folder, rounds, deadPid] = process.argv.slice(2);
const lock = join(folder, "lock");
const marker = join(folder, "somebody-is-inside");

for (let i = 0; i < Number(rounds); i++) {
  await withLock(lock, async (held) => {
    closeSync(openSync(marker, "wx")); // throws when two are inside
    await new Promise(setImmediate);
    held.assertHeld();
    rmSync(marker);
    const [token] = readdirSync(lock);
    writeFileSync(join(lock, token), JSON.stringify({ pid: Number(deadPid), host: hostname() }));
  });
}
console.log("done");
