import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { generatedPassphraseInUse, passphraseForNewKey, resolvePassphrase } from "../src/passphrase.js";
import { codeOf, temporaryFolder } from "./fixture.js";

function file(dir: string, name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

describe("the passphrase", () => {
  it("comes from the variable, the named file, the generated file, the prompt, in this order", async () => {
    const dir = temporaryFolder();
    const promptSecret = async () => "from the prompt";
    const named = file(temporaryFolder(), "named", "from the named file\n");
    const all = { AUTH_MESH_PASSPHRASE: "from the variable", AMESH_PASSPHRASE_FILE: named };

    expect(await resolvePassphrase({ dir, env: {}, promptSecret })).toBe("from the prompt");
    file(dir, "passphrase", "from the generated file\n");
    expect(await resolvePassphrase({ dir, env: {}, promptSecret })).toBe("from the generated file");
    expect(await resolvePassphrase({ dir, env: { AMESH_PASSPHRASE_FILE: named }, promptSecret })).toBe(
      "from the named file",
    );
    expect(await resolvePassphrase({ dir, env: all, promptSecret })).toBe("from the variable");
  });

  it("is missing when nobody has one, and empty variables are none", async () => {
    const dir = temporaryFolder();
    const env = { AUTH_MESH_PASSPHRASE: "", AMESH_PASSPHRASE_FILE: "" };
    expect(await codeOf(() => resolvePassphrase({ dir, env }))).toBe("passphrase_missing");
    expect(await codeOf(() => resolvePassphrase({ dir, env, promptSecret: async () => "" }))).toBe(
      "passphrase_missing",
    );
  });

  it.each([
    ["secret\n", "secret"],
    ["secret\r\n", "secret"],
    ["secret\n\n", "secret\n"],
    [" two words ", " two words "],
    ["schlüssel", "schlüssel"],
  ])("loses one line end, and nothing else, of the file %j", async (content, passphrase) => {
    const dir = temporaryFolder();
    const env = { AMESH_PASSPHRASE_FILE: file(dir, "named", content) };
    expect(await resolvePassphrase({ dir, env })).toBe(passphrase);
  });

  it.each([
    ["empty", ""],
    ["one line end", "\n"],
    ["not UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["longer than 4 KiB", "x".repeat(4097)],
  ])("is refused from a file that is %s, not looked for elsewhere", async (_, content) => {
    const dir = temporaryFolder();
    const env = { AMESH_PASSPHRASE_FILE: file(dir, "named", content) };
    const promptSecret = async () => "from the prompt";
    expect(await codeOf(() => resolvePassphrase({ dir, env, promptSecret }))).toBe("passphrase_missing");
  });

  it("is missing when the named file is, and no secret of the environment is in the message", async () => {
    const dir = temporaryFolder();
    const env = { AMESH_PASSPHRASE_FILE: join(dir, "nowhere") };
    await expect(resolvePassphrase({ dir, env })).rejects.toMatchObject({ code: "passphrase_missing" });
    await expect(resolvePassphrase({ dir, env })).rejects.toThrow("AMESH_PASSPHRASE_FILE");
  });

  it("is generated once for a new key when none is given, readable by its owner alone", async () => {
    const dir = temporaryFolder();
    const first = await passphraseForNewKey({ dir, env: {} });
    expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await passphraseForNewKey({ dir, env: {} })).toBe(first);
    expect(await resolvePassphrase({ dir, env: {} })).toBe(first);
    const path = join(dir, "passphrase");
    expect(statSync(path).mode & 0o777).toBe(0o400);
    expect(readFileSync(path, "utf8")).toBe(`${first}\n`);
    expect(generatedPassphraseInUse({ dir, env: {} })).toBe(path);
    expect(generatedPassphraseInUse({ dir, env: { AUTH_MESH_PASSPHRASE: "other" } })).toBeUndefined();
  });

  it("is not generated when one is given", async () => {
    const dir = temporaryFolder();
    const env = { AUTH_MESH_PASSPHRASE: "given" };
    expect(await passphraseForNewKey({ dir, env })).toBe("given");
    expect(generatedPassphraseInUse({ dir, env })).toBeUndefined();
  });
});
