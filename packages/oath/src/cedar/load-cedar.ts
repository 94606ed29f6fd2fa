import { createRequire } from "node:module";
import { AmeshError } from "@authmesh/core";
import { errorCode } from "@authmesh/core/storage-error";
import type * as cedarWasm from "@cedar-policy/cedar-wasm/nodejs";

export type Cedar = typeof cedarWasm;

/**
 * Makes an instance of Cedar that nobody else has. What is nested too deep breaks the whole instance for good, and an
 * instance never lets go of what it has parsed: so no policy may share one with another.
 *
 * @throws AmeshError `package_missing`
 */
export function loadCedar(): Cedar {
  // One of its own each time: it would remember what was loaded through it.
  const require = createRequire(import.meta.url);
  try {
    const path = require.resolve("@cedar-policy/cedar-wasm/nodejs");
    delete require.cache[path];
    const cedar = require(path) as Cedar;
    delete require.cache[path];
    return cedar;
  } catch (cause) {
    const problem = errorCode(cause) === "MODULE_NOT_FOUND" ? "is not installed" : "cannot be loaded";
    const { peerDependencies } = require("../../package.json") as {
      peerDependencies: { "@cedar-policy/cedar-wasm": string };
    };
    throw new AmeshError("package_missing", `The package @cedar-policy/cedar-wasm ${problem}.`, {
      fix: `npm install @cedar-policy/cedar-wasm@${peerDependencies["@cedar-policy/cedar-wasm"]}`,
      cause,
    });
  }
}
