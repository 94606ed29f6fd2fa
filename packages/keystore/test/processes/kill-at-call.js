// node kill-at-call.js DIR WORK CALL [TPM|TOKEN]: does the work, but kills itself just before its CALL-th call to the file
// system. So a crash between any two of them can be had on purpose.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import {
  bootstrapIdentity,
  cancelMigration,
  createIdentity,
  examineLostIdentity,
  finishMigration,
  forgetPrevious,
  prepareMigration,
  replaceLostIdentity,
  takeBackIdentity,
} from "@authmesh/keystore";
import { addOne, argon2, env, openList } from "./identity.js";

const [dir, work, call, more] = process.argv.slice(2);
const where = { dir, argon2, env: { ...env, AMESH_TPM: more } };
const forgotten = { ...where, env: { ...where.env, AUTH_MESH_PASSPHRASE: "forgotten" } };
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
  bootstrap: async () => () => {
    const now = () => 1_800_000_001_000;
    const place = { dir, argon2, env, backend: "encrypted-file", hosts: ["api-1"], now };
    return bootstrapIdentity({ ...place, token: more });
  },
  prepare: async () => () => prepareMigration(where),
  finish: async () => () => finishMigration(where),
  cancel: async () => () => cancelMigration(where),
  forget: async () => () => forgetPrevious(where),
  replace: async () => {
    const lost = await examineLostIdentity(forgotten);
    return () => replaceLostIdentity(lost, forgotten);
  },
  "take back": async () => () => takeBackIdentity(where),
};
const run = await ready[work]();

// What gives no file a name or takes it, and what is the lock's, is counted where it is looked for.
if (work === "init" || work === "update") {
  const handle = await fs.promises.open(new URL(import.meta.url));
  await handle.close();
  const sync = ["mkdirSync", "renameSync", "rmdirSync", "writeFileSync"];
  countCallsOf(Object.getPrototypeOf(handle), ["writeFile", "sync", "close"]);
  countCallsOf(fs, ["openSync", "readSync", "closeSync", "readdirSync", "existsSync", ...sync]);
}
countCallsOf(fs.promises, ["open", "link", "rename", "rm"]);
countCallsOf(fs, ["rmSync"]);
syncBuiltinESMExports();

const { identity, deviceId } = await run();
console.log(identity?.identity?.deviceId ?? identity?.deviceId ?? deviceId);
