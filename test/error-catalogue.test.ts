import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CatalogueEntry, catalogue } from "@authmesh/core";
import { tokenErrorCodes } from "@authmesh/oath";
import { describe, expect, it } from "vitest";

const packages = fileURLToPath(new URL("../packages", import.meta.url));
const sources = readdirSync(packages)
  .flatMap((name) =>
    readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" }).map((file) =>
      join(packages, name, "src", file),
    ),
  )
  .filter((file) => file.endsWith(".ts") && !file.endsWith(join("core", "src", "errors.ts")))
  .map((file) => readFileSync(file, "utf8"))
  .join("\n");
const entries: readonly (readonly [string, CatalogueEntry])[] = Object.entries(catalogue);

describe("the error catalogue", () => {
  it("has 181 entries; whoever adds or removes one says so here", () => {
    expect(entries).toHaveLength(181);
  });

  it.each(entries)("%s is raised somewhere", (code) => {
    expect(sources.includes(`"${code}"`)).toBe(true);
  });

  it.each(entries)(
    "%s is spelt as a code, and says in whole sentences what happened and what mends it",
    (code, entry) => {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      for (const text of [entry.summary, entry.fix]) {
        expect(text).toMatch(/^\S.*[^.]\.$/);
        expect(text).toBe(text.trim());
      }
    },
  );

  // A token's failure is about the caller's own token, and is told (docs/protocol.md, section 8.5).
  // Of what comes to an authority without a device's signature, one code stands for all that can be wrong (section 10).
  const oneForAll = ["activation", "challenge", "onboarding", "passcode", "recovery"].map(
    (what) => `${what}_refused`,
  );
  // That a gateway's route takes other proofs says nothing of the proof that came (section 14.6).
  const told: readonly string[] = [...tokenErrorCodes, ...oneForAll, "proof_not_accepted"];

  it.each(entries.filter(([code, { status }]) => status === 401 && !told.includes(code)))(
    "%s shows the caller no reason",
    (code, entry) => {
      expect(entry.public ?? code).toBe("unauthorized");
    },
  );

  it.each(entries)("%s has a status of HTTP, or none, and shows a code that is one", (_, entry) => {
    expect([0, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 421, 429, 500, 502, 503, 504]).toContain(
      entry.status,
    );
    if (entry.public !== undefined)
      expect(["unauthorized", ...Object.keys(catalogue)]).toContain(entry.public);
  });
});
