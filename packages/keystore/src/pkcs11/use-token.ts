import { setTimeout as pause } from "node:timers/promises";
import { AmeshError } from "@authmesh/core";
import { inTurnWithin } from "../internal/in-turn.js";
import { loadModule, type Pkcs11Module } from "./module.js";
import { logIn, type Pin } from "./pin.js";
import { refusal, TokenLost } from "./return-codes.js";
import { Session } from "./session.js";
import { checkAbilities, expectToken, presentTokens, type Token, type TokenName } from "./token.js";

/** A token, and how to get into it. */
export interface TokenAccess {
  /** The path of the module. */
  readonly module: string;
  readonly token: TokenName;
  /** Asked for while nobody has the turn, and only when the token is there and wants it. */
  readonly pin: () => Promise<Pin>;
  /** How long one use may take, waiting for others included and for a person not. */
  readonly timeoutMs: number;
}

/** The token is there, and wants to know who asks. */
class PinNeeded extends Error {}

/**
 * Works in the session with a token, which is opened where there is none.
 *
 * @throws AmeshError
 */
export function useToken<T>(access: TokenAccess, work: (session: Session) => Promise<T>): Promise<T> {
  let pin: Pin | undefined;
  const use = () => useModule(access, (module) => work(enter(module, access.token, pin)));
  return unlessLost(() =>
    use().catch(async (error) => {
      if (!(error instanceof PinNeeded)) throw error;
      pin = await access.pin();
      return use();
    }),
  );
}

/**
 * Looks at the tokens that are there, without logging in.
 *
 * @throws AmeshError
 */
export function examineTokens<T>(
  where: Pick<TokenAccess, "module" | "timeoutMs">,
  examine: (tokens: readonly Token[], module: Pkcs11Module) => T,
): Promise<T> {
  return unlessLost(() => useModule(where, async (module) => examine(presentTokens(module.api), module)));
}

/** In milliseconds. */
const pausesWhenLost = [20, 150];

/**
 * Tries again what was lost. A token that was pulled out may be back, and another process that logs in or resets it
 * can make it look absent for an instant.
 */
async function unlessLost<T>(work: () => Promise<T>): Promise<T> {
  for (const milliseconds of pausesWhenLost) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TokenLost)) throw error;
    }
    await pause(milliseconds);
  }
  return work();
}

function enter(module: Pkcs11Module, name: TokenName, pin: Pin | undefined): Session {
  return module.session(name, () => {
    const { api } = module;
    const token = expectToken(presentTokens(api), name);
    checkAbilities(api, token);
    if (pin === undefined) throw new PinNeeded();
    return Session.open(api, token.slot, (handle) => logIn(api, handle, token, pin));
  });
}

/** Callers of one process come one after another, module by module. A module that lost something is stopped. */
async function useModule<T>(
  { module: path, timeoutMs }: Pick<TokenAccess, "module" | "timeoutMs">,
  work: (module: Pkcs11Module) => Promise<T>,
): Promise<T> {
  const module = loadModule(path);
  const tooLate = () =>
    new AmeshError("key_store_busy", `The token gave no answer within ${timeoutMs / 1000} s.`, {
      fix: "Try again. If it stays, pull the token out and put it back, or look for the program that holds it.",
    });
  return inTurnWithin(`pkcs11 ${module.file}`, timeoutMs, tooLate, async () => {
    try {
      module.start();
      return await work(module);
    } catch (error) {
      const reason = refusal(error);
      if (reason instanceof TokenLost) module.stop();
      throw reason;
    }
  });
}
