import { describe, expect, it } from "vitest";
import {
  detectKeyStore,
  EncryptedFileKeyStore,
  type KeyStoreContext,
  type KeyStoreDriver,
  keyStoreDrivers,
} from "../src/index.js";
import { codeOf } from "./fixture.js";

const context: KeyStoreContext = {
  dir: "/nowhere",
  env: {},
  passphrase: () => Promise.reject(new Error("detection needs no passphrase")),
};

/** A driver for hardware that this machine has, or has not. */
const driver = (name: string, available: boolean, reason: string): KeyStoreDriver => ({
  info: { name, label: name.toUpperCase(), protection: "Test." },
  detect: async () => ({ available, reason }),
  open: () => {
    throw new Error("detection opens nothing");
  },
});

const machine = [
  driver("enclave", false, "binary not signed"),
  driver("tpm", true, "/dev/tpmrm0"),
  driver("file", true, "works everywhere"),
];

describe("detectKeyStore", () => {
  it("selects the first that is available and says why the ones before are not", async () => {
    const [selected, findings] = await detectKeyStore(context, undefined, machine);
    expect(selected.info.name).toBe("tpm");
    expect(findings).toEqual([
      { name: "enclave", label: "ENCLAVE", status: "not available", reason: "binary not signed" },
      { name: "tpm", label: "TPM", status: "selected", reason: "/dev/tpmrm0" },
    ]);
  });

  it("leaves those for whoever names them, and says how", async () => {
    const token = { ...driver("token", true, "in its slot"), onlyWhenNamed: true };
    const [selected, findings] = await detectKeyStore(context, undefined, [token, ...machine]);
    expect(selected.info.name).toBe("tpm");
    expect(findings[0]).toEqual({
      name: "token",
      label: "TOKEN",
      status: "not tried",
      reason: "ask for it with --backend token",
    });
    expect((await detectKeyStore(context, "token", [token, ...machine]))[0].info.name).toBe("token");
  });

  it("looks at nothing but the one that is forced", async () => {
    const [selected, findings] = await detectKeyStore(context, "file", machine);
    expect(selected.info.name).toBe("file");
    expect(findings.map(({ name }) => name)).toEqual(["file"]);
  });

  it("refuses a forced one that is not available, and a machine that has none", async () => {
    await expect(detectKeyStore(context, "enclave", machine)).rejects.toThrow("binary not signed");
    expect(await codeOf(() => detectKeyStore(context, "enclave", machine))).toBe("key_store_unavailable");
    expect(await codeOf(() => detectKeyStore(context, undefined, machine.slice(0, 1)))).toBe(
      "key_store_unavailable",
    );
  });

  it("takes no weaker one where the environment asks for one that is not available", async () => {
    const tpm = {
      ...driver("tpm", false, "no /dev/tpmrm0"),
      detect: async () => ({ available: false, reason: "no /dev/tpmrm0", fix: "Switch it on." }),
      askedForBy: "AMESH_TPM",
    };
    const drivers = [tpm, driver("file", true, "works everywhere")];
    const [, findings] = await detectKeyStore({ ...context, env: { AMESH_TPM: "" } }, undefined, drivers);
    expect(findings[0]).toMatchObject({ reason: "no /dev/tpmrm0", fix: "Switch it on." });
    const asking = { ...context, env: { AMESH_TPM: "/dev/tpm7" } };
    await expect(detectKeyStore(asking, undefined, drivers)).rejects.toMatchObject({
      code: "key_store_unavailable",
      message: "AMESH_TPM is set, and TPM cannot be used here: no /dev/tpmrm0.",
      fix: expect.stringMatching(/^Switch it on\. .*--backend encrypted-file/),
    });
    await expect(detectKeyStore(asking, "tpm", drivers)).rejects.toMatchObject({ fix: "Switch it on." });
    const [chosen, [finding]] = await detectKeyStore(asking, "file", drivers);
    expect(chosen.info.name).toBe("file");
    expect(finding?.reason).toBe("asked for; works everywhere");
  });

  it("names the key stores there are to whoever asks for another", async () => {
    expect(await codeOf(() => detectKeyStore(context, "yubikey"))).toBe("key_store_unknown");
    await expect(detectKeyStore(context, "yubi\u001bkey")).rejects.toThrow(/\\u001b.*encrypted-file/);
  });

  it("finds the encrypted file on every machine", async () => {
    const [selected, findings] = await detectKeyStore(context);
    expect(findings.at(-1)).toMatchObject({
      name: "encrypted-file",
      label: "Encrypted file",
      status: "selected",
    });
    expect(selected.open(context)).toBeInstanceOf(EncryptedFileKeyStore);
  });

  it("opens a store of the name the driver bears", () => {
    for (const { info, open } of keyStoreDrivers) expect(open(context).info).toBe(info);
  });
});
