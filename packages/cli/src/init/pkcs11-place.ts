import { AmeshError } from "@authmesh/core";
import type { Pkcs11Place } from "@authmesh/keystore";
import type { Call } from "../call.js";

/** Where --module and --token say a new key is to be made. @throws AmeshError `invalid_option` */
export function pkcs11Place(call: Call): Pkcs11Place | undefined {
  const [module, token] = [call.text("module"), call.text("token")];
  if (module !== undefined) return { module, token };
  if (token === undefined) return undefined;
  throw new AmeshError("invalid_option", "--token says which token of a module, and no --module is given.", {
    fix: "Add --backend pkcs11 --module /PATH/OF/MODULE.so.",
  });
}
