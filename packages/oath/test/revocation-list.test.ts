import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beginning,
  entry,
  revocationSourceConformance,
  token,
} from "../../../test/conformance/suites/revocation-source.js";
import { combineRevocations } from "../src/combine-revocations.js";
import type { Revocation } from "../src/revocation.js";
import { createRevocationList } from "../src/revocation-list.js";

function scene(maxEntries?: number) {
  const clock = { seconds: beginning };
  const now = () => clock.seconds * 1000;
  const list = createRevocationList({ now, ...(maxEntries === undefined ? {} : { maxEntries }) });
  return { list, clock };
}

revocationSourceConformance("a list in memory", async () => {
  const { list, clock } = scene();
  return {
    source: list,
    change: async (...changes) => {
      for (const each of changes) list.apply(each);
    },
    pass: (seconds) => {
      clock.seconds += seconds;
    },
  };
});

describe("a list in memory", () => {
  it("drops what expired while other entries come, without being asked", () => {
    const { list, clock } = scene();
    for (let i = 0; i < 100; i++) list.add(entry("jti", `old ${i}`, { expiresAt: beginning + 10 }));
    clock.seconds += 10;
    for (let i = 0; i < 200; i++) list.add(entry("jti", `new ${i}`, { expiresAt: beginning + 100 }));
    expect(list.size).toBe(200);
  });

  it("is full at its limit, makes room by what expired, and drops nothing that is in force", () => {
    const { list, clock } = scene(3);
    list.add(entry("jti", "a", { expiresAt: beginning + 10 }));
    list.add(entry("jti", "b"));
    list.add(entry("sub", "c"));
    list.add(entry("sub", "c", { reason: "replaced" }));
    expect(() => list.add(entry("jti", "d"))).toThrow(
      expect.objectContaining({ code: "revocation_unavailable" }),
    );
    clock.seconds += 10;
    list.add(entry("jti", "d"));
    expect(list.snapshot().map(({ value }) => value)).toEqual(["c", "b", "d"]);
  });

  it("is replaced as a whole or not at all", () => {
    const { list } = scene(2);
    list.add(entry("jti", "a"));
    expect(() => list.replace([entry("jti", "b"), entry("jti", "c"), entry("jti", "d")])).toThrow(AmeshError);
    expect(list.snapshot()).toEqual([entry("jti", "a")]);
    list.replace([entry("jti", "b"), entry("jti", "c")]);
    expect(list.snapshot()).toEqual([entry("jti", "b"), entry("jti", "c")]);
    expect(list.size).toBe(2);
  });

  it("does what a plain list would do, whatever comes in whatever order", () => {
    const key = fc.record({ by: fc.constantFrom("sub", "jti"), value: fc.constantFrom("a", "b", "c") });
    const act = fc.oneof(
      fc.record({ add: key, life: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }) }),
      fc.record({ remove: key }),
      fc.record({ pass: fc.nat({ max: 10 }) }),
    );
    fc.assert(
      fc.property(fc.array(act as fc.Arbitrary<Act>), (acts) => {
        const { list, clock } = scene();
        let plain: Revocation[] = [];
        const without = ({ by, value }: Key) =>
          plain.filter((each) => each.by !== by || each.value !== value);
        for (const { add, life, remove, pass } of acts) {
          clock.seconds += pass ?? 0;
          plain = plain.filter(({ expiresAt }) => expiresAt === undefined || clock.seconds < expiresAt);
          if (remove !== undefined) {
            plain = without(remove);
            list.remove({ ...entry(remove.by, remove.value) });
          }
          if (add !== undefined) {
            const expiry = life === undefined ? {} : { expiresAt: clock.seconds + life };
            plain = [...without(add), entry(add.by, add.value, expiry)];
            list.add(entry(add.by, add.value, expiry));
          }
        }
        expect(new Set(list.snapshot())).toEqual(new Set(plain));
        for (const value of ["a", "b", "c"])
          expect(list.find(token({ jti: value }))).toEqual(
            plain.find((each) => each.by === "jti" && each.value === value),
          );
      }),
    );
  });

  it("wants a limit that is one", () => {
    expect(() => createRevocationList({ maxEntries: 0 })).toThrow(TypeError);
  });
});

describe("several lists", () => {
  const never = { find: () => undefined };
  const later = { find: async () => undefined };
  const out = {
    find: () => {
      throw new AmeshError("revocation_unavailable");
    },
  };
  const holding = scene().list;
  holding.add(entry("jti", "jti-1"));

  it("say that a token is revoked if one of them does, at once where all are at hand", async () => {
    expect(combineRevocations(never, holding).find(token())).toMatchObject({ value: "jti-1" });
    expect(combineRevocations(never, holding).find(token({ jti: "other" }))).toBeUndefined();
    expect(await combineRevocations(later, holding).find(token())).toMatchObject({ value: "jti-1" });
    expect(await combineRevocations(later, never, later).find(token())).toBeUndefined();
  });

  it("do not say that it is not while one of them cannot be asked", async () => {
    expect(() => combineRevocations(never, out).find(token())).toThrow(AmeshError);
    await expect(combineRevocations(later, out).find(token())).rejects.toBeInstanceOf(AmeshError);
  });
});

interface Key {
  readonly by: Revocation["by"];
  readonly value: string;
}

interface Act {
  readonly add?: Key;
  readonly life?: number;
  readonly remove?: Key;
  readonly pass?: number;
}
