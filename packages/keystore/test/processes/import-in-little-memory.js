// Imports a backup while no more than 100 MiB may be had beside what the process has; prints how that fails.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { importIdentity } from "@authmesh/keystore";
import { hashRaw } from "@node-rs/argon2";

const [dir, file, passphrase] = process.argv.slice(2);
const backup = readFileSync(file);
await hashRaw("", { memoryCost: 19 * 1024, salt: Buffer.alloc(16) }); // its threads are there from now on
const had = 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
execFileSync("prlimit", ["--pid", String(process.pid), `--as=${had + (100 << 20)}:`]);
try {
  await importIdentity({ dir, backup, passphrase: async () => passphrase, env: { AMESH_TPM: "/nowhere" } });
} catch ({ code, message, fix }) {
  console.log(JSON.stringify({ code, message, fix }));
}
