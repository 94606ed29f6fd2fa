import { createRequire } from "node:module";
import { AmeshError } from "@authmesh/core";
import { errorCode } from "@authmesh/core/storage-error";
import type { Cryptoki } from "./cryptoki.js";

const require = createRequire(import.meta.url);

/**
 * pkcs11js, which translates between JavaScript and modules written in C. It is compiled where it is installed, so
 * whoever has a token brings it along.
 *
 * @throws AmeshError `package_missing`
 */
export function loadPackage(): new () => Cryptoki {
  try {
    return (require("pkcs11js") as { PKCS11: new () => Cryptoki }).PKCS11;
  } catch (cause) {
    throw isInstalled() ? notCompiled(cause) : notInstalled(cause);
  }
}

function isInstalled(): boolean {
  try {
    return require.resolve("pkcs11js") !== "";
  } catch (error) {
    if (errorCode(error) === "MODULE_NOT_FOUND") return false;
    throw error;
  }
}

function notInstalled(cause: unknown): AmeshError {
  const { peerDependencies } = require("../../package.json") as { peerDependencies: { pkcs11js: string } };
  const fix = `npm install pkcs11js@${peerDependencies.pkcs11js} (with --global where amesh is installed so). It is compiled: that takes python3, make and a C++ compiler.`;
  return new AmeshError("package_missing", "The package pkcs11js is not installed.", { fix, cause });
}

function notCompiled(cause: unknown): AmeshError {
  const fix = "npm rebuild pkcs11js, which takes python3, make and a C++ compiler.";
  return new AmeshError("package_missing", "The package pkcs11js is not compiled for this Node.js.", {
    fix,
    cause,
  });
}
