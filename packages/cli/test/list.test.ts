import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const today = new Date().toISOString().slice(0, 10);
const now = Math.floor(Date.now() / 1000);

describe("amesh list", () => {
  it("shows this machine alone at first", async () => {
    const machine = await newMachine("My Laptop");
    const { publicKey } = await machine.open();
    const { stdout, stderr } = await machine.succeed(["list"]);
    expect(stderr).toBe("");
    expect(stdout).toBe(`  This device
  ───────────────────────────────────────────────────────
  Device ID     : ${publicKey.deviceId}
  Friendly Name : My Laptop
  Backend       : Encrypted file
  Created       : ${today}

  No trusted devices yet.
  Pair with another device using \`amesh listen\` + \`amesh invite\`.
`);
  });

  it("shows each device with its role", async () => {
    const machine = await newMachine("My Laptop");
    const added = Date.parse("2026-03-28T12:00:00Z") / 1000;
    const laptop = await machine.trust("MacBook Pro — dev", { now: added });
    const api = await machine.trust("staging-api", { role: "target", now: added + 86_400 });
    const { stdout } = await machine.succeed(["list"]);
    expect(stdout.slice(stdout.indexOf("  Trusted"))).toBe(`  Trusted Devices (2)
  ───────────────────────────────────────────────────────
  ${laptop.deviceId}  MacBook Pro — dev     [controller]   added 2026-03-28
  ${api.deviceId}  staging-api           [target]       added 2026-03-29
  ───────────────────────────────────────────────────────
  • [controller] — this device can authenticate TO you
  • [target] — you can authenticate TO this device, but it cannot authenticate back to you
`);
  });

  it("says what limits a device", async () => {
    const machine = await newMachine("api", { maxControllers: 9 });
    await machine.trust("scoped", { scopes: { orders: "rw", profile: "r" } });
    await machine.trust("powerless", { scopes: {} });
    await machine.trust("half", { status: "pending" });
    await machine.trust("late", { expiresAt: Date.parse("2020-01-02") / 1000, now: 1_500_000_000 });
    await machine.trust("early", { expiresAt: Date.parse("2100-01-02") / 1000 });
    const { stdout } = await machine.succeed(["list"]);
    const remarkOf = (name: string) => new RegExp(`${name} .* added \\S+ +(.*)`).exec(stdout)?.[1];
    expect(remarkOf("scoped")).toBe("scopes orders:rw,profile:r");
    expect(remarkOf("powerless")).toBe("scopes none");
    expect(remarkOf("half")).toBe("[pending]");
    expect(remarkOf("late")).toBe("expired 2020-01-02");
    expect(remarkOf("early")).toBe("expires 2100-01-02");
  });

  it("answers in JSON", async () => {
    const machine = await newMachine("api");
    const entry = await machine.trust("Dev Laptop", { now });
    const { deviceId, base64 } = (await machine.open()).publicKey;
    expect(documentOf(await machine.succeed(["list", "--json"]))).toEqual({
      schema: 1,
      device: {
        deviceId,
        publicKey: base64,
        friendlyName: "api",
        backend: "encrypted-file",
        createdAt: expect.any(Number),
      },
      devices: [entry],
    });
  });

  it("shows nothing of a list that somebody edited", async () => {
    const machine = await newMachine("api");
    const path = join(machine.dir, "allow_list.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"maxControllers": 1', '"maxControllers": 9'));
    expect(await machine.run(["list"])).toEqual({
      status: 1,
      ...failed("allow_list_integrity_failure", "amesh repair --new-list"),
    });
  });
});
