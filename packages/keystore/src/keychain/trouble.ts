import { type ErrorCode, quoteForeign } from "@authmesh/core";
import { Trouble } from "../internal/trouble.js";

const names: Readonly<Record<string, string>> = {
  darwin: "macOS Keychain",
  win32: "Windows Credential Manager",
};

/** What the keychain of this platform is called. */
export const keychainLabel: string = names[process.platform] ?? "Secret Service";

type Row = readonly [pattern: RegExp, code: ErrorCode, reason: string, fix?: string];

const unlock = "Unlock it: log in to the desktop, or start the service that keeps it with its password.";
const session =
  "Run this in the session of somebody who is logged in, with D-Bus and a Secret Service such as gnome-keyring. A server without one is better off with another --backend.";

/** What the library says, in the order in which it is looked for; it has words only, no codes. */
const rows: readonly Row[] = [
  [
    /Cannot find (package|module|native binding)|Failed to load native binding/,
    "key_store_unavailable",
    "the package @napi-rs/keyring is not installed, or not for this platform",
    "Run `npm install @napi-rs/keyring`, or choose another --backend.",
  ],
  [
    /prompt was dismissed|prompt dismissed/,
    "key_store_locked",
    "it is locked, and nobody unlocked it",
    unlock,
  ],
  [/object locked|is locked/i, "key_store_locked", "it is locked", unlock],
  [/User interaction is not allowed/, "key_store_locked", "it is locked, and nobody can be asked", unlock],
  [
    /user ?name or passphrase you entered is not correct|User canceled/i,
    "key_store_locked",
    "its owner did not allow it",
    "Try again, and allow node to use the item, or enter the right password.",
  ],
  [/Did not receive a reply|connection closed before/, "key_store_busy", "it gives no answer"],
  [/disconnected from (the )?(message bus|D-Bus)/, "key_store_unavailable", "it went away"],
  [/matched by \d+ cred/, "key_store_damaged", "it holds more than one item of this name"],
  [/^The item is too long/, "key_store_damaged", "it holds an item that is longer than any of amesh"],
  [
    /autolaunch|Failed to connect to socket|Connection refused|Could not parse server address/,
    "key_store_unavailable",
    "no D-Bus session",
    session,
  ],
  [
    /org\.freedesktop\.secrets|secret service provider|StartServiceByName/i,
    "key_store_unavailable",
    "nobody offers a Secret Service in this D-Bus session",
    session,
  ],
  [/logon session/i, "key_store_unavailable", "this login has no credentials of its own"],
];

/** @param problem what the library said; it may be of any form */
export function keychainTrouble(problem: string): Trouble {
  const row = rows.find(([pattern]) => pattern.test(problem));
  if (row === undefined)
    return new Trouble("key_store_unavailable", `it fails with ${quoteForeign(problem)}`);
  const [, code, reason, fix] = row;
  return new Trouble(code, reason, { ...(fix && { fix }), cause: new Error(quoteForeign(problem)) });
}
