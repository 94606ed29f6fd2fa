import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  coversScopes,
  formatScopes,
  parseRequirement,
  parseScopes,
  requirementOfAction,
  type Scopes,
} from "../src/index.js";
import { anyText } from "./any-text.js";

const tops = ["a", "b", "__m", "__n"];
const subs = ["x", "y"];
/** Every name that the grants below can speak of, and beside each one that they cannot. */
const universe = [...tops, "fresh", "__fresh"].flatMap((top) => [
  top,
  ...[...subs, "fresh"].map((sub) => `${top}.${sub}`),
]);

const name = fc.constantFrom("*", ...tops, ...tops.flatMap((top) => subs.map((sub) => `${top}.${sub}`)));
const access = fc.constantFrom("r" as const, "rw" as const);
const grants = fc.uniqueArray(fc.tuple(name, access), { selector: ([of]) => of, maxLength: 6 });
const scopesOf = (list: readonly (readonly [string, "r" | "rw"])[]): Scopes => Object.fromEntries(list);

/** Section 10.1 of docs/protocol.md once more, word by word and for one name. */
function levelIn(scopes: Scopes, name: string): { readonly read: boolean; readonly write: boolean } {
  const all = new Map(Object.entries(scopes));
  const [top = ""] = name.split(".");
  const level = all.get(name) ?? all.get(top) ?? (name.startsWith("__") ? undefined : all.get("*"));
  return { read: level !== undefined, write: level === "rw" };
}

const coversByNames = (holder: Scopes, granted: Scopes): boolean =>
  universe.every((each) => {
    const [has, gets] = [levelIn(holder, each), levelIn(granted, each)];
    return (has.read || !gets.read) && (has.write || !gets.write);
  });

describe("coversScopes", () => {
  it.each([
    ["*:rw,__manage:rw", "*:rw,__manage:rw", true],
    ["*:rw,__manage:rw", "orders:rw,__manage.users:r", true],
    ["*:rw", "__manage:r", false],
    ["*:r", "orders:rw", false],
    ["orders:rw", "orders.eu:rw", true],
    ["orders.eu:rw", "orders:r", false],
    ["orders:rw,orders.eu:r", "orders:rw", false],
    ["orders:r,orders.eu:rw", "orders:rw", false],
    ["*:rw,orders:r", "*:rw", false],
    ["*:rw,orders:r", "*:rw,orders:r", true],
    ["*:rw,orders.eu:r", "*:rw", false],
    ["*:rw", "*:r,orders:rw", true],
    ["orders:rw", "*:r", false],
    ["__manage:rw", "__manage:rw,__manage.users:r", true],
    ["__manage:rw,__manage.users:r", "__manage:rw", false],
    ["constructor:r", "tostring:r", false],
  ])("%j covers %j: %s", (holder, granted, covers) => {
    expect(coversScopes(parseScopes(holder), parseScopes(granted))).toBe(covers);
  });

  it("of nothing covers nothing but nothing", () => {
    fc.assert(
      fc.property(grants, (list) => {
        expect(coversScopes({}, scopesOf(list))).toBe(list.length === 0);
        expect(coversScopes(scopesOf(list), {})).toBe(true);
      }),
    );
  });

  it("says what asking for every name would say", () => {
    fc.assert(
      fc.property(grants, grants, (holder, granted) => {
        const pair = [scopesOf(holder), scopesOf(granted)] as const;
        expect(coversScopes(...pair)).toBe(coversByNames(...pair));
      }),
      { numRuns: 2000 },
    );
  });

  it("does not depend on the order in which grants are named", () => {
    fc.assert(
      fc.property(grants, grants, (holder, granted) => {
        const there = coversScopes(scopesOf(holder), scopesOf(granted));
        expect(coversScopes(scopesOf(holder.toReversed()), scopesOf(granted.toReversed()))).toBe(there);
      }),
    );
  });

  it("is an order: of itself, and through a third", () => {
    fc.assert(
      fc.property(grants, grants, grants, (one, two, three) => {
        const [a, b, c] = [scopesOf(one), scopesOf(two), scopesOf(three)];
        expect(coversScopes(a, a)).toBe(true);
        if (coversScopes(a, b) && coversScopes(b, c)) expect(coversScopes(a, c)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("formatScopes", () => {
  it("writes one text for one map, which reads as that map", () => {
    fc.assert(
      fc.property(grants, (list) => {
        const text = formatScopes(scopesOf(list));
        expect(formatScopes(scopesOf(list.toReversed()))).toBe(text);
        expect(parseScopes(text)).toEqual(scopesOf(list));
      }),
    );
  });

  it("orders names by code units, numbers among them", () => {
    expect(formatScopes({ b: "r", "10": "rw", "9": "r", "*": "r", __m: "rw" })).toBe(
      "*:r,10:rw,9:r,__m:rw,b:r",
    );
  });
});

describe("requirementOfAction", () => {
  it.each([
    ["orders.list", "orders:r"],
    ["orders.read", "orders:r"],
    ["orders.get", "orders:r"],
    ["orders.write", "orders:w"],
    ["orders.Read", "orders:w"],
    ["orders.delete", "orders:w"],
    ["__manage.read", "__manage:r"],
    ["orders", undefined],
    ["orders.", undefined],
    [".read", undefined],
    ["*.read", undefined],
    ["Orders.read", undefined],
    ["orders.eu.read", undefined],
    ["orders:rw.read", undefined],
    ["", undefined],
  ])("of %j is %j", (action, requirement) => expect(requirementOfAction(action)).toBe(requirement));

  it("is none, or a requirement of the name before the dot, whatever the text", () => {
    const nearly = fc
      .array(fc.constantFrom("orders", "__", ".", "read", "list", ":", "*", "w"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(anyText(), nearly), (action) => {
        const requirement = requirementOfAction(action);
        if (requirement === undefined) return;
        const [name = "", verb = "", ...more] = action.split(".");
        expect(more).toEqual([]);
        expect(requirement).toBe(`${name}:${["read", "list", "get"].includes(verb) ? "r" : "w"}`);
        expect(parseRequirement(requirement)({})).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
