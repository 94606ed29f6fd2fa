import type { RevocableToken, Revocation, RevocationChange, RevocationSource } from "@authmesh/oath";
import { describe, expect, it } from "vitest";

export const issuer = "http://127.0.0.1/issuer";
/** The second in which suites begin. */
export const beginning = 1_800_000_000;

export const token = (claims: Partial<RevocableToken> = {}): RevocableToken => ({
  ...{ iss: issuer, sub: "svc://billing/worker", jti: "jti-1", kid: "kid-1" },
  ...claims,
});

export const entry = (by: Revocation["by"], value: string, more: Partial<Revocation> = {}): Revocation => ({
  issuer,
  by,
  value,
  reason: "lost",
  actor: "am_someone",
  at: beginning,
  ...more,
});

/** A source, and whoever decides what is on its list. */
export interface RevocationScene {
  readonly source: RevocationSource;
  /** Makes changes, and resolves when they have reached the source. */
  change(...changes: readonly RevocationChange[]): Promise<void>;
  /** Lets seconds pass for the source. */
  pass(seconds: number): Promise<void> | void;
}

/**
 * What every list of revocations must do (docs/protocol.md, section 8.7).
 *
 * @param open makes a source with an empty list of `issuer`
 */
export function revocationSourceConformance(name: string, open: () => Promise<RevocationScene>): void {
  describe(`${name} as a source of revocations`, () => {
    let generation = 0;
    const add = (revocation: Revocation): RevocationChange => ({ generation: ++generation, revocation });
    const remove = ({ issuer, by, value }: Revocation): RevocationChange => ({
      generation: ++generation,
      removed: { issuer, by, value },
    });

    it.each<[Revocation["by"], string]>([
      ["sub", "svc://billing/worker"],
      ["jti", "jti-1"],
      ["kid", "kid-1"],
      ["tenant", "acme"],
    ])(
      "finds a token by its %s, with reason, actor, time and expiry, and no other token",
      async (by, value) => {
        const { source, change } = await open();
        expect(await source.find(token({ tenant: "acme" }))).toBeUndefined();
        const revocation = entry(by, value, { expiresAt: beginning + 3600 });
        await change(add(revocation));
        expect(await source.find(token({ tenant: "acme" }))).toEqual(revocation);
        const other = { sub: "svc://billing/other", jti: "jti-2", kid: "kid-2", tenant: "other" };
        expect(await source.find(token(other))).toBeUndefined();
        expect(await source.find(token({ ...other, iss: "https://other.example" }))).toBeUndefined();
        expect(await source.find(token({ tenant: "acme", iss: "https://other.example" }))).toBeUndefined();
      },
    );

    it("does not take one claim's value for another's", async () => {
      const { source, change } = await open();
      await change(
        add(entry("sub", "x")),
        add(entry("jti", "y")),
        add(entry("kid", "z")),
        add(entry("tenant", "t")),
      );
      expect(await source.find(token({ sub: "y", jti: "x", kid: "t", tenant: "z" }))).toBeUndefined();
    });

    it("does not take one text for another that differs in case, in a character, or in where it ends", async () => {
      const { source, change } = await open();
      await change(add(entry("sub", "svc://a b")), add(entry("jti", "__proto__")));
      for (const sub of ["svc://a", "svc://A b", "svc://a b ", "b", "svc://a  b", ""])
        expect(await source.find(token({ sub }))).toBeUndefined();
      expect(await source.find(token({ jti: "constructor" }))).toBeUndefined();
      expect(await source.find(token({ jti: "__proto__" }))).toBeDefined();
      expect(await source.find(token({ sub: "svc://a b" }))).toBeDefined();
    });

    it("forgets what was removed, and takes it back", async () => {
      const { source, change } = await open();
      const revocation = entry("sub", "svc://billing/worker");
      await change(add(revocation));
      await change(remove(revocation));
      expect(await source.find(token())).toBeUndefined();
      await change(add({ ...revocation, reason: "again" }));
      expect(await source.find(token())).toMatchObject({ reason: "again" });
      await change(remove(entry("jti", "never there")));
      expect(await source.find(token())).toBeDefined();
    });

    it("holds an entry until it expires, and one without an expiry for good", async () => {
      const { source, change, pass } = await open();
      await change(
        add(entry("jti", "jti-1", { expiresAt: beginning + 100 })),
        add(entry("sub", "svc://gone")),
      );
      await pass(99);
      expect(await source.find(token())).toBeDefined();
      await pass(1);
      expect(await source.find(token())).toBeUndefined();
      expect(await source.find(token({ sub: "svc://gone" }))).toBeDefined();
    });

    it("holds the later of two entries for one value", async () => {
      const { source, change, pass } = await open();
      await change(add(entry("sub", "svc://billing/worker", { expiresAt: beginning + 10 })));
      await change(
        add(entry("sub", "svc://billing/worker", { reason: "for longer", expiresAt: beginning + 100 })),
      );
      await pass(50);
      expect(await source.find(token())).toMatchObject({ reason: "for longer" });
    });
  });
}
