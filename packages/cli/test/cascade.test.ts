import type { EnrollmentInfo } from "@authmesh/sdk/enroll";
import fc from "fast-check";
import { expect, it } from "vitest";
import { describeCascade } from "../src/enroll/cascade.js";

const revoked = (id: string, approvedBy?: string): EnrollmentInfo => ({
  id,
  account: "@acme",
  appName: "app",
  deviceName: id,
  deviceId: "am_cOixWcOdI8-pLh4P",
  publicKey: "",
  status: "revoked",
  scopes: { orders: "r" },
  requested: { scopes: { orders: "r" } },
  requestedAt: 0,
  address: "127.0.0.1",
  attestation: "none",
  ...(approvedBy !== undefined && { approvedBy }),
});

const shape = (enrollments: readonly EnrollmentInfo[]) =>
  describeCascade(enrollments)
    .split("\n")
    .map((line) => line.replace(/^( *(?:└─)?) *(\S+).*$/, "$1$2"));

it("stands each enrollment beneath the one that approved it", () => {
  const tree = [revoked("a"), revoked("b", "a"), revoked("c", "a"), revoked("d", "b"), revoked("e", "gone")];
  expect(shape(tree)).toEqual(["  a", "   └─b", "      └─d", "   └─c", "   └─e"]);
  expect(shape([revoked("f", "e"), revoked("g", "f")])).toEqual(["  f", "   └─g"]);
});

it("names each enrollment once, whatever an authority says of who approved whom", () => {
  const link = fc.option(fc.nat({ max: 9 }).map(String), { nil: undefined });
  fc.assert(
    fc.property(fc.array(link, { minLength: 1, maxLength: 10 }), (links) => {
      const named = links.map((approvedBy, i) => revoked(String(i), approvedBy));
      const ids = shape(named).map((line) => line.replace(/^[ └─]+/, ""));
      expect(ids[0]).toBe("0");
      expect(ids.sort()).toEqual(links.map((_, i) => String(i)).sort());
    }),
  );
});
