import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createDelegation, PrivateKey, SessionKey, type Sign } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { type DelegationVectors, makeDelegationVectors } from "./make-delegation-vectors.js";
import { askPython } from "./python-peer.js";
import { verdictOn } from "./verdict.js";

const file = fileURLToPath(new URL("vectors/delegation-1.json", import.meta.url));
const made = makeDelegationVectors();
const vectors: DelegationVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

describe("core agrees with the vectors", () => {
  it.each(vectors.requests)("on the delegation $name: $expected", async (request) => {
    expect(await verdictOn(request, vectors.device)).toBe(request.expected);
  });
});

describe("a reader in Python, written from docs/protocol.md, section 4, alone", () => {
  const ask = (lines: readonly object[]) => askPython<{ ok: boolean }>([], lines, "read_delegation.py");

  it("agrees with the vectors", async () => {
    const publicKey = vectors.device.publicKey;
    const answers = await ask(vectors.requests.map((request) => ({ ...request, publicKey })));
    expect(answers.map(({ ok }) => ok)).toEqual(
      vectors.requests.map(({ expected }) => expected === "accepted"),
    );
  });

  it("reads what core makes", async () => {
    const device = PrivateKey.generate();
    const sign: Sign = async (message) => device.sign(message);
    const identity = { publicKey: device.publicKey, sign };
    const audience = "api.example.com";
    const lines = await Promise.all(
      [undefined, [audience]].map(async (hosts) => {
        const session = SessionKey.generate();
        return {
          delegation: await createDelegation({ device: identity, session, audience: hosts }),
          authorization: `id="${session.publicKey.base64}"`,
          publicKey: device.publicKey.base64,
          now: Math.floor(Date.now() / 1000),
          audience,
        };
      }),
    );
    expect(await ask(lines)).toEqual([{ ok: true }, { ok: true }]);
    expect(await ask(lines.map((line) => ({ ...line, now: line.now + 300 })))).toEqual([
      { ok: false },
      { ok: false },
    ]);
  });
});
