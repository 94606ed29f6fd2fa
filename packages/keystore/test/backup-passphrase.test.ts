import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backupPassphrase, generateBackupPassphrase } from "../src/index.js";
import { refuseWeakPassphrase } from "../src/passphrase-strength.js";
import { codeOf, temporaryFolder } from "./fixture.js";

describe("the passphrase of a backup", () => {
  it("comes from the variable, the named file, the prompt, in this order", async () => {
    const path = join(temporaryFolder(), "named");
    writeFileSync(path, "from the named file\n");
    const promptSecret = async (what: string) => `answer to ${what}`;
    const named = { AMESH_EXPORT_PASSPHRASE_FILE: path };
    const all = { ...named, AMESH_EXPORT_PASSPHRASE: "from the variable" };
    expect(await backupPassphrase({ env: all, promptSecret })).toBe("from the variable");
    expect(await backupPassphrase({ env: named, promptSecret })).toBe("from the named file");
    expect(await backupPassphrase({ env: {}, promptSecret })).toBe("answer to Passphrase of the backup");
  });

  it("is missing where nobody gives one; that of the key file is another", async () => {
    const env = { AUTH_MESH_PASSPHRASE: "that of the key file" };
    for (const sources of [{ env }, { env: {}, promptSecret: async () => "" }])
      await expect(backupPassphrase(sources)).rejects.toMatchObject({
        code: "passphrase_missing",
        fix: "Set AMESH_EXPORT_PASSPHRASE_FILE or AMESH_EXPORT_PASSPHRASE.",
      });
    const nowhere = { AMESH_EXPORT_PASSPHRASE_FILE: join(temporaryFolder(), "nowhere") };
    expect(await codeOf(() => backupPassphrase({ env: nowhere }))).toBe("passphrase_missing");
  });

  it("is 160 random bits in eight groups when it is generated, and always strong enough", () => {
    const random = (length: number) => Uint8Array.from({ length }, (_, i) => i * 8 + (i % 8));
    expect(generateBackupPassphrase(random)).toMatch(
      /^([0-9a-hj-km-np-tv-z]{4}-){7}[0-9a-hj-km-np-tv-z]{4}$/,
    );
    const made = Array.from({ length: 500 }, () => generateBackupPassphrase());
    expect(new Set(made).size).toBe(500);
    const used = new Set(made.join("").replaceAll("-", ""));
    expect(used.size).toBe(32);
    for (const passphrase of made) refuseWeakPassphrase(passphrase, ["prod-api"]);
  });
});

const names = ["Payments Gateway", "am_GS6yJVVbPxo3EJ7v", "a b"];

function problemOf(passphrase: string): string | undefined {
  try {
    refuseWeakPassphrase(passphrase, names);
    return undefined;
  } catch (error) {
    if (error instanceof AmeshError && error.code === "passphrase_weak") return error.message;
    throw error;
  }
}

describe("a weak passphrase", () => {
  const short = "fewer than 15 characters.";
  const few = "fewer than 6 different characters.";
  const repeated = "fewer than 15 characters once what is repeated counts once.";
  const run = "runs along the alphabet, the digits or the keyboard.";
  const named = "fewer than 15 characters beside the device's name and words that everybody tries first.";

  it.each([
    ["", short],
    ["k7mqr2x9wd4tzn", short],
    ["🦊🐢🦉🐝🦀🐙🦋", short],
    ["aaaaaaaaaaaaaaaaaaaa", few],
    ["abcdeabcdeabcdeXyz".replace("Xyz", "abc"), few],
    ["0110100110010110100101", few],
    ["tulpen-tulpen-tulpen-", repeated],
    ["regenbogenregenbogen", repeated],
    ["Regenbogen regenbogen ", repeated],
    ["trustno1trustno1x", repeated],
    ["P@ssw0rdP@ssw0rd1!", repeated],
    ["trustno1-x-trustno1-y-trustno1", repeated],
    ["passwordpasswordpasswor1234567890abcde", run],
    ["1234567890123456", run],
    ["98765432109876543210x", run],
    ["abcdefghijklmnopq", run],
    ["qwertyuiopasdfghjkl", run],
    ["Poiuytrewq!12345678", run],
    ["Payments Gateway 2026", named],
    ["am_GS6yJVVbPxo3EJ7v-backup", named],
    ["backup-passphrase!", named],
    ["Administrator2026!", named],
    ["correct horse battery staple", named],
  ])("is refused, with words that say why: %j", (passphrase, problem) => {
    expect(problemOf(passphrase)).toMatch(new RegExp(`${problem}$`));
  });

  it.each([
    "k7mqr2x9wd4tznb",
    "zwölf Boxkämpfer jagen Viktor",
    "lantern orbit cactus velvet quarry mosaic",
    "alice a b bob carol a b dave",
    "k7mqr2x9wd4tznbk7mqr2x9wd4tznb",
    "6f1c0e52-9a7b-4d3e-8c21-5b7f90a4e6d8",
    "длинная случайная фраза",
    "payments gateway lantern orbit cactus",
  ])("is not what people use who know: %j", (passphrase) => {
    expect(problemOf(passphrase)).toBeUndefined();
  });

  it("is never repeated in the error", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 5, maxLength: 12 }), (passphrase) => {
        expect(problemOf(` \u0001${passphrase}`)).not.toContain(` \u0001${passphrase}`);
      }),
    );
  });
});
