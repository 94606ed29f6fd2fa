import fc from "fast-check";
import { expect, it } from "vitest";
import type { VerifiedCaller } from "../src/admit/admission.js";
import { contextHeaders } from "../src/admit/context-headers.js";

const device: VerifiedCaller = {
  kind: "device",
  subject: "am_cOixWcOdI8-pLh4P",
  device: "am_cOixWcOdI8-pLh4P",
  name: "Büro 100%",
  scopes: ["orders:rw", "profile:r"],
  decisionId: "3q2-7wAAAAAAAAAA",
};

const token: VerifiedCaller = {
  kind: "token",
  subject: "svc://billing/worker",
  action: "orders.write",
  scopes: ["orders:write"],
  issuer: "https://tokens.example.com",
  tokenId: "01J9",
  decisionId: "3q2-7wAAAAAAAAAA",
};

it("tells of a device what there is to tell, and nothing else", () => {
  expect(contextHeaders(device, ["X-AuthMesh-"])).toEqual([
    ["X-AuthMesh-Subject", "am_cOixWcOdI8-pLh4P"],
    ["X-AuthMesh-Kind", "device"],
    ["X-AuthMesh-Device", "am_cOixWcOdI8-pLh4P"],
    ["X-AuthMesh-Name", "B%C3%BCro 100%25"],
    ["X-AuthMesh-Scope", "orders:rw profile:r"],
    ["X-AuthMesh-Decision-Id", "3q2-7wAAAAAAAAAA"],
  ]);
});

it("tells of a token its action, issuer and id, under each prefix", () => {
  expect(contextHeaders(token, ["X-AuthMesh-", "X-OathMesh-"])).toEqual(
    [
      ["Subject", "svc://billing/worker"],
      ["Kind", "token"],
      ["Action", "orders.write"],
      ["Scope", "orders:write"],
      ["Issuer", "https://tokens.example.com"],
      ["Token-Id", "01J9"],
      ["Decision-Id", "3q2-7wAAAAAAAAAA"],
    ].flatMap(([name, value]) => [
      [`X-AuthMesh-${name}`, value],
      [`X-OathMesh-${name}`, value],
    ]),
  );
});

it("writes spaces that a parser would strip, or that would part a scope in two, as %20", () => {
  const headers = new Map(contextHeaders({ ...device, name: " a  b ", scopes: ["x y"] }, ["X-AuthMesh-"]));
  expect(headers.get("X-AuthMesh-Name")).toBe("%20a%20%20b%20");
  expect(headers.get("X-AuthMesh-Scope")).toBe("x%20y");
});

it("writes visible ASCII and single spaces alone, whatever the text, and all of it can be decoded", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { maxLength: 4 }),
      (text, scopes) => {
        const caller = { ...token, subject: text, name: text, action: text, issuer: text, scopes };
        const headers = new Map(contextHeaders(caller, ["X-AuthMesh-"]));
        for (const value of headers.values()) expect(value).toMatch(/^[!-~]+(?: [!-~]+)*$/);
        expect(decodeURIComponent(headers.get("X-AuthMesh-Name") ?? "")).toBe(text.toWellFormed());
        const told = (headers.get("X-AuthMesh-Scope") ?? "").split(" ").filter((scope) => scope !== "");
        expect(told.map(decodeURIComponent)).toEqual(scopes.map((scope) => scope.toWellFormed()));
      },
    ),
  );
});
