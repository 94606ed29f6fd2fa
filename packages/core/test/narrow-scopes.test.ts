import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { narrowScopes, parseRequirement, parseScopes, type Scopes } from "../src/index.js";

const grant = fc.tuple(
  fc.constantFrom("*", "orders", "orders.eu", "orders.us", "profile", "__manage", "__manage.users"),
  fc.constantFrom("r" as const, "rw" as const),
);
const scopes = fc.array(grant, { maxLength: 5 }).map((grants): Scopes => Object.fromEntries(grants));
const asked = [
  "orders",
  "orders.eu",
  "orders.fresh",
  "profile",
  "fresh",
  "__manage",
  "__manage.users",
  "__x",
];

describe("narrowScopes", () => {
  it.each([
    ["orders:rw", "orders:r", "orders:r"],
    ["orders:rw", "profile:r", ""],
    ["*:rw", "orders:r", "orders:r"],
    ["*:rw,orders:r", "*:rw", "*:rw,orders:r"],
    ["*:rw", "__manage:r", ""],
    ["orders:rw", "orders.eu:r", "orders.eu:r"],
  ])("of %j and %j is %j", (a, b, both) => {
    expect(narrowScopes(parseScopes(a), parseScopes(b))).toEqual(parseScopes(both));
    expect(narrowScopes(parseScopes(b), parseScopes(a))).toEqual(parseScopes(both));
  });

  it("meets a requirement exactly when both do", () => {
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        const both = narrowScopes(a, b);
        for (const name of asked) {
          for (const access of ["r", "w"]) {
            const meets = parseRequirement(`${name}:${access}`);
            expect(meets(both), `${name}:${access}`).toBe(meets(a) && meets(b));
          }
        }
      }),
    );
  });
});
