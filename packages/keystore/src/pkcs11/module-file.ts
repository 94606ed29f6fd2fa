import { isAbsolute } from "node:path";
import { AmeshError, quoteForeign } from "@authmesh/core";
import { Trouble } from "../internal/trouble.js";
import { assertTrustedFile } from "../internal/trusted-executable.js";

/** Where a key is, its file tells; where a new one is to be made, a person. */
export const checkModule = "Check the path of the token's module: --module, or `module` in device.pkcs11.";

/**
 * The file that a module's path leads to: a module is code that sees the PIN.
 *
 * @throws AmeshError `invalid_option` for a path that is not absolute; `key_store_unavailable` as `assertTrustedFile`
 */
export function trustedModuleFile(path: string): string {
  if (!isAbsolute(path)) {
    const fix = "Give the whole path, such as /usr/lib/softhsm/libsofthsm2.so.";
    throw new AmeshError("invalid_option", `The path of a module is absolute, not ${quoteForeign(path)}.`, {
      fix,
    });
  }
  try {
    return assertTrustedFile(path, checkModule);
  } catch (error) {
    throw error instanceof Trouble ? error.toAmeshError("The module cannot be used") : error;
  }
}
