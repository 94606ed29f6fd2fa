import { readFileSync } from "node:fs";
import type { JsonValue } from "@authmesh/core";
import { problemsOf } from "@authmesh/oath/document";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { configShape, gatewaySchema } from "../../src/config/config-document.js";

const fitsSchema = new Ajv2020({ strict: true, strictRequired: false }).compile(gatewaySchema);
const fitsShape = (document: unknown) => problemsOf(configShape, document as JsonValue).length === 0;

const route = { path: "/*", upstream: "a" };
const having = (members: object) => ({ version: 1, routes: [route], ...members });
const routing = (members: object) => ({ version: 1, routes: [{ ...route, ...members }] });

describe("the schema of a configuration", () => {
  it("is the one that is published", () => {
    const published = readFileSync(new URL("../../schema/gateway-1.json", import.meta.url), "utf8");
    // Written by `amesh gateway schema > packages/gateway/schema/gateway-1.json`, and formatted.
    expect(JSON.parse(published)).toEqual(gatewaySchema);
  });

  it("says of every member what it means", () => {
    const described = (schema: object): boolean =>
      Object.entries(schema).every(
        ([name, value]) =>
          value === null ||
          typeof value !== "object" ||
          (name === "properties"
            ? Object.values(value as Record<string, object>).every(
                (member) => "description" in member && described(member),
              )
            : described(value)),
      );
    expect(described(gatewaySchema)).toBe(true);
  });

  it.each([
    having({}),
    having({ admin: false, audience: ["api.example.com", "localhost:3000"] }),
    having({ listen: { port: 0, tls: { cert: "a", key: "b" } }, redis: { urlFile: "c" } }),
    having({ upstreams: { a: { urls: ["http://h:1"], health: { path: "/" } } } }),
    routing({
      hosts: "a",
      methods: ["GET"],
      accept: ["token"],
      context: "token",
      timeouts: { idleSeconds: 0 },
    }),
  ])("and the gateway take %j", (document) => {
    expect(fitsSchema(document)).toBe(true);
    expect(fitsShape(document)).toBe(true);
  });

  it.each([
    null,
    {},
    { version: 1, routes: [] },
    having({ version: 2 }),
    having({ listen: { port: "80" } }),
    having({ listen: { port: 1.5 } }),
    having({ listen: { tls: { cert: "a" } } }),
    having({ admin: true }),
    having({ redis: {} }),
    having({ audience: [] }),
    having({ upstreams: { "a b": { urls: "http://h" } } }),
    having({ upstreams: { a: {} } }),
    having({ caseSensitive: 1 }),
    routing({ methods: "get" }),
    routing({ accept: [] }),
    routing({ path: "x" }),
    routing({ limits: { bodyBytes: -1 } }),
    routing({ Name: "x" }),
  ])("and the gateway refuse %j", (document) => {
    expect(fitsSchema(document)).toBe(false);
    expect(fitsShape(document)).toBe(false);
  });

  it("refuses nothing that the gateway takes, whatever it is", () => {
    const name = fc.constantFrom(
      ...Object.keys(configShape.members),
      "host",
      "port",
      "path",
      "urls",
      "url",
      "x",
    );
    const leaf = fc.constantFrom<unknown>(
      1,
      0,
      -1,
      0.5,
      70_000,
      null,
      true,
      false,
      "a",
      "/a",
      "http://h",
      "GET",
      "",
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, leaf, tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 2 }),
      object: fc.dictionary(name, tie("value"), { maxKeys: 4 }),
    }));
    const likely = fc.dictionary(name, value, { maxKeys: 2 }).map(having);
    fc.assert(
      fc.property(fc.oneof(value, likely), (document) => {
        if (fitsShape(document)) expect(fitsSchema(document)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
