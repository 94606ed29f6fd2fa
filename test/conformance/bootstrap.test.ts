import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  bootstrapMeetingCode,
  checkBootstrapToken,
  createBootstrapToken,
  PrivateKey,
  readBootstrapToken,
} from "@authmesh/core";
import { describe, expect, it } from "vitest";
import {
  type BootstrapVector,
  type BootstrapVectors,
  makeBootstrapVectors,
} from "./make-bootstrap-vectors.js";
import { askPython } from "./python-peer.js";

const file = fileURLToPath(new URL("vectors/bootstrap-1.json", import.meta.url));
const made = makeBootstrapVectors();
const vectors: BootstrapVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

/** What core says of a token: "accepted", or the code of the refusal. */
function verdictOn({ token, now, hosts }: BootstrapVector): string {
  const read = readBootstrapToken(token);
  if ("code" in read) return read.code;
  return checkBootstrapToken(read, { now, hosts })?.code ?? "accepted";
}

describe("core agrees with the vectors", () => {
  it.each(vectors.tokens)("on the token $name: $expected", (vector) => {
    expect(verdictOn(vector)).toBe(vector.expected);
  });

  it("on where the two meet", () => {
    expect(bootstrapMeetingCode(vectors.jti)).toBe(vectors.otc);
  });
});

describe("a reader in Python, written from docs/protocol.md, section 7, alone", () => {
  const ask = (lines: readonly object[]) =>
    askPython<{ ok: boolean; controller?: string; otc?: string }>([], lines, "read_bootstrap.py");

  it("agrees with the vectors", async () => {
    const answers = await ask(vectors.tokens);
    const { deviceId } = vectors.controller;
    expect(answers).toEqual(
      vectors.tokens.map(({ expected }) =>
        expected === "accepted" ? { ok: true, controller: deviceId, otc: vectors.otc } : { ok: false },
      ),
    );
  });

  it("reads what core makes", async () => {
    const key = PrivateKey.generate();
    const { publicKey } = key;
    const token = await createBootstrapToken({
      controller: { publicKey, friendlyName: "Dev Laptop", sign: async (message) => key.sign(message) },
      name: "prod-server",
      host: "api-1",
      relay: "wss://relay.example/ws",
    });
    const now = Math.floor(Date.now() / 1000);
    const answers = await ask([
      { token, now, hosts: ["api-1"] },
      { token, now: now + 3600, hosts: ["api-1"] },
    ]);
    expect(answers).toMatchObject([{ ok: true, controller: publicKey.deviceId }, { ok: false }]);
  });
});
