// node kill-at-call.js DIR init|update CALL: does the work, but kills itself just before its CALL-th call to the
// file system. So a crash between any two of them can be had on purpose.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createIdentity } from "@authmesh/keystore";
import { addOne, argon2, openList } from "./identity.js";

const [dir, work, call] = process.argv.slice(2);
let calls = 0;

function countCallsOf(owner, names) {
  for (const name of names) {
    const original = owner[name];
    owner[name] = function (...args) {
      if (++calls === Number(call)) process.kill(process.pid, "SIGKILL");
      return original.apply(this, args);
    };
  }
}

const ready = {
  init: async () => () => createIdentity({ friendlyName: "this machine", dir, env: {}, argon2 }),
  update: async () => {
    const list = await openList(dir);
    return () => addOne(list);
  },
};
const run = await ready[work]();

const handle = await fs.promises.open(new URL(import.meta.url));
countCallsOf(Object.getPrototypeOf(handle), ["writeFile", "sync", "close"]);
countCallsOf(fs.promises, ["open", "link", "rename", "rm"]);
const sync = ["mkdirSync", "renameSync", "rmdirSync", "rmSync", "writeFileSync"];
countCallsOf(fs, ["openSync", "readSync", "closeSync", "readdirSync", "existsSync", ...sync]);
syncBuiltinESMExports();

const { identity, deviceId } = await run();
console.log(identity?.deviceId ?? deviceId);
