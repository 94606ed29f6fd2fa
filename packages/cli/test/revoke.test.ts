import type { DeviceEntry } from "@authmesh/keystore";
import { beforeEach, describe, expect, it } from "vitest";
import { newMachine, type TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

let machine: TestMachine;
let device: DeviceEntry;
beforeEach(async () => {
  machine = await newMachine("api");
  device = await machine.trust("Dev Laptop");
});

describe("amesh revoke", () => {
  it.each([
    ["no", "n\n", 1, "The question was answered with no. Nothing was changed. (declined)"],
    ["an empty line", "\n", 1, "The question was answered with no. Nothing was changed. (declined)"],
    ["anything else", "yeah\n", 1, "The question was answered with no. Nothing was changed. (declined)"],
    ["the end of input", "\u0004", 1, "The question was interrupted. Nothing was changed. (declined)"],
    ["an interrupt, which ends it as any command", "\u0003", 256 - 2, "^C"],
  ])("asks, and does nothing for %s", async (_, answer, exit, words) => {
    const question = `Remove "Dev Laptop" (${device.deviceId}) [controller] from the allow list? [y/N] `;
    const { status, screen } = await machine.runInTerminal(["revoke", device.deviceId], [[question, answer]]);
    expect(status).toBe(exit);
    expect(screen).toContain(words);
    expect(await machine.devices()).toEqual([device]);
  });

  it("removes the device for a yes", async () => {
    const { status, screen } = await machine.runInTerminal(["revoke", "Dev Laptop"], [["[y/N] ", "y\n"]]);
    expect(status).toBe(0);
    expect(screen).toContain(`✔ "Dev Laptop" (${device.deviceId}) revoked.\nNext: amesh list\n`);
    expect(await machine.devices()).toEqual([]);
    const list = await machine.openList();
    expect(list.isRevoked(device.deviceId)).toBe(true);
  });

  it.each([
    ["a closed standard input", [], undefined],
    ["an answer from a pipe", [], "y\n"],
    ["--no-input", ["--no-input"], undefined],
  ])("refuses where nobody can be asked: %s", async (_, flags, input) => {
    const result = await machine.run(
      ["revoke", "Dev Laptop", ...flags],
      input === undefined ? {} : { input },
    );
    expect(result).toEqual({ status: 2, ...failed("input_required", "--yes") });
    expect(await machine.devices()).toEqual([device]);
  });

  it("does not ask on a terminal either when it must not", async () => {
    const { status, screen } = await machine.runInTerminal(["revoke", "Dev Laptop"], [], {
      AMESH_NO_INPUT: "1",
    });
    expect(status).toBe(2);
    expect(screen).toContain("(input_required)");
  });

  it("takes --yes and an id, removes every role, and answers in JSON", async () => {
    const [own] = await machine.devices();
    const list = await machine.openList();
    const publicKey = list.find(own?.publicKey ?? "", "controller")?.publicKey;
    await machine.trust("Dev Laptop", { role: "target", ...(publicKey && { publicKey }) });
    const { deviceId } = device;
    expect(documentOf(await machine.succeed(["revoke", deviceId, "--yes", "--json"]))).toEqual({
      schema: 1,
      revoked: { deviceId, friendlyName: "Dev Laptop", roles: ["controller", "target"] },
      replaced: [],
    });
    expect(await machine.devices()).toEqual([]);
    expect(await machine.run(["revoke", deviceId, "--yes"])).toEqual({
      status: 1,
      ...failed("device_not_found", "amesh list"),
    });
  });

  it("does not choose between two of the same name", async () => {
    const twins = [
      await machine.trust("twin", { role: "target" }),
      await machine.trust("twin", { role: "target" }),
    ];
    const result = await machine.run(["revoke", "twin", "--yes"]);
    expect(result).toEqual({ status: 2, ...failed("device_name_ambiguous", "amesh list") });
    for (const { deviceId } of twins) expect(result.stderr).toContain(deviceId);
  });
});
