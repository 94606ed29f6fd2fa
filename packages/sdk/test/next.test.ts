import { callerHeaders, callerOf, protect, protectApi } from "@authmesh/sdk/next";
import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const authMesh = {
  deviceId: "am_cOixWcOdI8-pLh4P",
  scopes: {},
  friendlyName: "Büro 1",
  verifiedAt: 1_743_160_800,
  decisionId: "d",
};
const verified = (headers: Record<string, string> = {}) =>
  Object.assign(new Request("http://localhost/", { headers }), { authMesh });

function clockAt(seconds: number): void {
  vi.useFakeTimers({ now: seconds * 1000, toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
}

describe("who called, as the proxy tells it", () => {
  test("is read where it is needed, with the other headers as they were", () => {
    clockAt(authMesh.verifiedAt + 60);
    const headers = callerHeaders(verified({ "X-Trace": "7" }));
    expect(callerOf(headers)).toEqual(authMesh);
    expect(headers.get("x-trace")).toBe("7");
  });

  test("replaces what the caller wrote there itself", () => {
    clockAt(authMesh.verifiedAt);
    const other = { ...authMesh, deviceId: "am_other" };
    const header = callerHeaders(Object.assign(verified(), { authMesh: other })).get("authmesh-caller");
    expect(callerOf(callerHeaders(verified({ "AuthMesh-Caller": header ?? "" })))).toEqual(authMesh);
  });

  test("is nobody after a minute, without a header, and with one that was touched", () => {
    clockAt(authMesh.verifiedAt + 61);
    const headers = callerHeaders(verified());
    expect(callerOf(headers)).toBeUndefined();
    clockAt(authMesh.verifiedAt);
    expect(callerOf(headers)).toEqual(authMesh);
    expect(callerOf(new Headers())).toBeUndefined();
    const value = headers.get("authmesh-caller") ?? "";
    for (const touched of [
      `${value}A`,
      `A${value}`,
      value.slice(0, -1),
      `${value}.`,
      `.${value}`,
      value.split(".")[0],
    ])
      expect(callerOf(new Headers({ "authmesh-caller": touched ?? "" }))).toBeUndefined();
  });

  test("is nobody, whatever the text", () => {
    const near = fc.tuple(fc.base64String(), fc.base64String()).map((parts) => parts.join("."));
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => callerOf({ get: () => text }) === undefined),
    );
  });
});

describe("while Next.js builds", () => {
  const options = { allowList: new MemoryTrust().trust(makeIdentity()), logger: silent };

  test("no verifier is made before there is a request", async () => {
    vi.stubEnv("NEXT_PHASE", "phase-production-build");
    onTestFinished(() => void vi.unstubAllEnvs());
    const misspelt = { ...options, audiense: "localhost" };
    const handler = protect(() => new Response(), misspelt);
    protectApi(() => {}, misspelt);
    await expect(handler(new Request("http://localhost/"))).rejects.toThrow(TypeError);
    vi.unstubAllEnvs();
    expect(() => protect(() => new Response(), misspelt)).toThrow(TypeError);
    expect(() => protectApi(() => {}, misspelt)).toThrow(TypeError);
  });

  test("an answer that depends on the request is not taken for one that does not", async () => {
    const prerendering = new Error("DYNAMIC_SERVER_USAGE");
    const request = new Proxy(new Request("http://localhost/"), {
      get(target, name) {
        if (name === "headers") throw prerendering;
        return Reflect.get(target, name);
      },
    });
    await expect(protect(() => new Response(), options)(request)).rejects.toBe(prerendering);
  });
});
