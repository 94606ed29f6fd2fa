import { AmeshError, quoteForeign } from "@authmesh/core";
import { type Cryptoki, initializeFlag } from "./cryptoki.js";
import { checkModule, trustedModuleFile } from "./module-file.js";
import { loadPackage } from "./package.js";
import { returnCode } from "./return-codes.js";
import type { Session } from "./session.js";
import type { TokenName } from "./token.js";

/** A module that is loaded: once a process, and for as long as it lives. Whoever uses it has the turn. */
export class Pkcs11Module {
  readonly file: string;
  readonly api: Cryptoki;
  readonly #sessions = new Map<string, Session>();
  #state: "stopped" | "started" | "started by others" = "stopped";

  constructor(file: string, api: Cryptoki) {
    this.file = file;
    this.api = api;
  }

  /** Something else in this process, such as another thread, may have started it; then nobody here stops it. */
  start(): void {
    if (this.#state !== "stopped") return;
    try {
      this.api.C_Initialize({ flags: initializeFlag.osLockingOk });
      this.#state = "started";
    } catch (error) {
      if (returnCode(error) !== "CKR_CRYPTOKI_ALREADY_INITIALIZED") throw error;
      this.#state = "started by others";
    }
  }

  /** Ends all sessions. Started again, the module looks anew at what is in its slots. */
  stop(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    try {
      if (this.#state === "started") this.api.C_Finalize();
    } catch {
      // Somebody else has stopped it.
    }
    this.#state = "stopped";
  }

  /** The session with a token, kept from one use to the next; a token forgets who is logged in with its last one. */
  session(token: TokenName, open: () => Session): Session {
    const name = `${token.serial}\n${token.label}`;
    const session = this.#sessions.get(name) ?? open();
    this.#sessions.set(name, session);
    return session;
  }
}

const modules = new Map<string, Pkcs11Module>();

/** @throws AmeshError `package_missing`, `invalid_option`, `key_store_unavailable` */
export function loadModule(path: string): Pkcs11Module {
  const file = trustedModuleFile(path);
  const module = modules.get(file) ?? load(file);
  modules.set(file, module);
  return module;
}

function load(file: string): Pkcs11Module {
  const Api = loadPackage();
  const api = new Api();
  try {
    api.load(file);
  } catch (cause) {
    const problem = quoteForeign((cause as Error).message);
    throw new AmeshError("key_store_unavailable", `${file} is no PKCS#11 module: ${problem}.`, {
      fix: checkModule,
      cause,
    });
  }
  return new Pkcs11Module(file, api);
}
