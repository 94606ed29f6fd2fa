import { beforeEach, describe, expect, it } from "vitest";
import { newMachine, type TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

let machine: TestMachine;
beforeEach(async () => {
  machine = await newMachine("api");
});

describe("amesh grant", () => {
  it("sets what a controller may do, in the place of what it could before", async () => {
    const { deviceId } = await machine.trust("CI", { scopes: { builds: "rw" } });
    const { stdout, stderr } = await machine.succeed(["grant", "CI", "orders:rw,profile:r"]);
    expect(stdout).toBe(`✔ "CI" (${deviceId}) may now: orders:rw,profile:r.\n`);
    expect(stderr).toBe("Next: amesh list\n");
    expect(await machine.devices()).toMatchObject([{ scopes: { orders: "rw", profile: "r" } }]);
  });

  it("takes everything away for an empty text", async () => {
    const { deviceId } = await machine.trust("CI", { scopes: { builds: "rw" } });
    const { granted } = documentOf(await machine.succeed(["grant", deviceId, "", "--json"]));
    expect(granted).toEqual({ deviceId, friendlyName: "CI", scopes: {} });
    expect((await machine.devices())[0]?.scopes).toEqual({});
  });

  it("grants nothing to a target, to nobody, or by a scope that is none", async () => {
    await machine.trust("staging-api", { role: "target" });
    await machine.trust("CI");
    const before = await machine.devices();
    const notFound = { status: 1, ...failed("device_not_found", "amesh list") };
    expect(await machine.run(["grant", "staging-api", "orders:r"])).toEqual(notFound);
    expect(await machine.run(["grant", "nobody", "orders:r"])).toEqual(notFound);
    expect(await machine.run(["grant", "CI", "orders:write"])).toEqual({
      status: 2,
      ...failed("invalid_scope", "NAME:rw"),
    });
    expect(await machine.devices()).toEqual(before);
  });
});
