import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { concatBytes } from "@authmesh/core";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parseTpmFile } from "../src/drivers/tpm-file.js";
import { tpmAddress } from "../src/tpm/address.js";
import { type Credential, readPublic } from "../src/tpm/attestation/commands.js";
import { makeCredential } from "../src/tpm/attestation/credential.js";
import {
  type EndorsementKeyKind,
  endorsementKeyKinds,
  kindNames,
  readEndorsementKey,
} from "../src/tpm/attestation/endorsement-key.js";
import { answerChallenge } from "../src/tpm/attestation/prover.js";
import { createPrimary } from "../src/tpm/commands.js";
import { sized, Unmarshaller, u16, u32 } from "../src/tpm/marshal.js";
import { attestationKeyTemplate, nameOf } from "../src/tpm/public-area.js";
import { type Tpm, useTpm } from "../src/tpm/tpm.js";
import { newDeviceIn } from "./attestation-fixture.js";
import { SoftwareTpm } from "./swtpm.js";

let tpm: SoftwareTpm;
const stops: (() => void)[] = [];
beforeAll(async () => {
  tpm = await SoftwareTpm.start((stop) => stops.push(stop), "tcp");
  return () => {
    for (const stop of stops) stop();
  };
});

const use = <T>(work: (open: Tpm) => Promise<T>) => useTpm(tpmAddress(tpm.env), 10_000, work);
const areaOf = (template: Uint8Array) =>
  use((open) =>
    open.holding(createPrimary("endorsement", template), (handle) => open.execute(readPublic(handle))),
  );
const keyOf = async (kind: EndorsementKeyKind) =>
  readEndorsementKey(await areaOf(endorsementKeyKinds[kind].template));
const attestationKeyName = async () => nameOf(await areaOf(attestationKeyTemplate));

const nonce = new Uint8Array(32);
const id = "A".repeat(22);

/** What our half that runs on the device gets out of a credential. */
async function activate(kind: EndorsementKeyKind, credential: Credential): Promise<Uint8Array> {
  const { dir } = await newDeviceIn(tpm);
  const { key } = parseTpmFile(readFileSync(join(dir, "device.tpm")));
  const challenge = { id, nonce, endorsementKey: kind, credential };
  return (await use((open) => answerChallenge(open, key, challenge))).secret;
}

// How tpm2-tools 5 write a credential: a magic number and a version in front of both of its parts.
const header = concatBytes(u32(0xbadcc0de), u32(1));
const toFile = ({ blob, seed }: Credential) => concatBytes(header, sized(blob), sized(seed));
function fromFile(bytes: Uint8Array): Credential {
  const reader = new Unmarshaller(bytes);
  reader.take(header.length);
  const credential = { blob: reader.sized(256), seed: reader.sized(256) };
  reader.end();
  return credential;
}

const write = (name: string, bytes: Uint8Array) => writeFileSync(join(tpm.folder, name), bytes);
const read = (name: string) => readFileSync(join(tpm.folder, name));

describe.each(["L-1", "L-2"] as const)("a credential for the endorsement key %s", (kind) => {
  it("that is made here is opened by tpm2-tools", async () => {
    const secret = randomBytes(32);
    write(
      "credential",
      toFile(makeCredential(await keyOf(kind), await attestationKeyName(), secret, randomBytes)),
    );
    const algorithm = kind === "L-1" ? "rsa" : "ecc";
    const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
    tpm.tool("tpm2_createek", "-G", algorithm, "-c", "ek.ctx", "-u", "ek.pub");
    tpm.tool("tpm2_flushcontext", "-t");
    const scheme = ["-G", "ecc256:ecdsa-sha256:null", "-a", attributes];
    tpm.tool("tpm2_createprimary", "-C", "e", ...scheme, "-c", "ak.ctx");
    tpm.tool("tpm2_flushcontext", "-t");
    tpm.tool("tpm2_startauthsession", "--policy-session", "-S", "session");
    onTestFinished(() => void tpm.tool("tpm2_flushcontext", "session"));
    tpm.tool("tpm2_policysecret", "-S", "session", "-c", "e");
    const keys = ["-c", "ak.ctx", "-C", "ek.ctx", "-P", "session:session"];
    tpm.tool("tpm2_activatecredential", ...keys, "-i", "credential", "-o", "opened");
    tpm.tool("tpm2_flushcontext", "-t");
    expect(read("opened")).toEqual(secret);
  });

  it("that tpm2-tools make is opened here", async () => {
    const secret = randomBytes(32);
    write("secret", secret);
    write("ek.pub", sized(await areaOf(endorsementKeyKinds[kind].template)));
    const name = Buffer.from(await attestationKeyName()).toString("hex");
    tpm.tool("tpm2_makecredential", "-u", "ek.pub", "-s", "secret", "-n", name, "-o", "made");
    expect(Buffer.from(await activate(kind, fromFile(read("made"))))).toEqual(secret);
  });
});

describe("a credential", () => {
  it.each(kindNames)(
    "for the endorsement key %s is opened here, and its form has the TPM's lengths",
    async (kind) => {
      const secret = randomBytes(20);
      const credential = makeCredential(await keyOf(kind), await attestationKeyName(), secret, randomBytes);
      expect(Buffer.from(await activate(kind, credential))).toEqual(secret);
      const hashLength = kind === "H-3" ? 48 : 32;
      expect(credential.blob).toHaveLength(2 + hashLength + 2 + 20);
    },
  );

  it.each(["L-2", "H-3"] as const)(
    "for %s is opened also when the number of its ephemeral key begins with zeros",
    async (kind) => {
      const [key, name, secret] = [await keyOf(kind), await attestationKeyName(), randomBytes(32)];
      let credential: Credential;
      do credential = makeCredential(key, name, secret, randomBytes);
      while (credential.seed[2] !== 0);
      expect(credential.seed.subarray(0, 2)).toEqual(u16(kind === "H-3" ? 48 : 32));
      expect(Buffer.from(await activate(kind, credential))).toEqual(secret);
    },
  );

  it("is not opened with any byte of it changed, or beside another key", async () => {
    const [key, name, secret] = [await keyOf("H-2"), await attestationKeyName(), randomBytes(32)];
    const { blob, seed } = makeCredential(key, name, secret, randomBytes);
    const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const refusal = { code: "attestation_refused" };
    for (let at = 0; at < blob.length; at += 5)
      await expect(activate("H-2", { blob: flipped(blob, at), seed })).rejects.toMatchObject(refusal);
    for (let at = 0; at < seed.length; at += 5)
      await expect(activate("H-2", { blob, seed: flipped(seed, at) })).rejects.toMatchObject(refusal);
    const forAnother = makeCredential(key, flipped(name, 9), secret, randomBytes);
    await expect(activate("H-2", forAnother)).rejects.toMatchObject(refusal);
    expect(Buffer.from(await activate("H-2", { blob, seed }))).toEqual(secret);
  });
});
