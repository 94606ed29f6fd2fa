import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { newMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

describe("amesh init --replace-lost", () => {
  it("says what is lost and asks, then says and keeps what other machines must do", async () => {
    const machine = await newMachine("prod api");
    const laptop = await machine.trust("Dev Laptop");
    const { identity: lost } = await machine.open();
    rmSync(join(machine.dir, "device.key"));
    expect(await machine.run(["list"])).toEqual({ status: 1, ...failed("key_not_found", "--replace-lost") });
    const choice = ["--backend", "encrypted-file", "--audience", "api.example.com"];
    const args = ["init", "--replace-lost", ...choice];
    expect((await machine.run(args)).status).toBe(2);
    const question = "Give this machine a new key and an empty allow list? [y/N] ";
    const no = await machine.runInTerminal(args, [[question, "n\n"]]);
    expect(no.screen).toMatch(/does not sign: There is no .*device\.key\. \(key_not_found\)/);
    expect(no.screen).not.toContain("may pass");
    expect(readdirSync(machine.dir)).not.toContain("identity.next.json");
    const { status, screen } = await machine.runInTerminal(args, [[question, "y\n"]]);
    expect(status).toBe(0);
    const note = join(machine.dir, "replace-lost.txt");
    expect(statSync(note).mode & 0o777).toBe(0o600);
    expect(screen).toContain(readFileSync(note, "utf8"));
    expect(screen).toContain(`"Dev Laptop" (${laptop.deviceId}), which calls this machine`);
    expect(screen).toContain(`there: amesh revoke ${lost.deviceId}`);
    const document = documentOf(await machine.run(["status", "--json"]));
    expect(document).toMatchObject({ controllers: [], audience: ["api.example.com"], maxControllers: 1 });
    expect(document.device).toMatchObject({ friendlyName: "prod api" });
    expect(document.device.deviceId).not.toBe(lost.deviceId);
  });

  it("says of a TPM that is away that the key may come back, and answers in JSON", async () => {
    const { env } = await SoftwareTpm.start(onTestFinished);
    const machine = await newMachine("api", { env });
    const { identity: lost } = await machine.open(env);
    const { screen } = await machine.runInTerminal(["init", "--replace-lost"], [["[y/N] ", "n\n"]]);
    expect(screen).toMatch(/\(key_store_unavailable\)\nThat may pass, and then the key is back/);
    const settings = ["--name", "api 2", "--max-controllers", "2", "--backend", "encrypted-file"];
    const args = ["init", "--replace-lost", ...settings, "--yes", "--json"];
    const before = readdirSync(machine.dir);
    const refused = await machine.run(args);
    expect([refused.status, documentOf(refused).error]).toMatchObject([
      1,
      { code: "key_store_unavailable", fix: expect.stringContaining("--force") },
    ]);
    expect(readdirSync(machine.dir)).toEqual(before);
    const replaced = documentOf(await machine.succeed([...args, "--force"]));
    expect(replaced).toMatchObject({
      device: { friendlyName: "api 2", backend: "encrypted-file" },
      lost: { deviceId: lost.deviceId, cause: "key_store_unavailable", mayComeBack: true },
      note: expect.stringContaining(`amesh revoke ${lost.deviceId}`),
    });
    expect(readFileSync(replaced.oldList, "utf8")).toContain("hmac");

    const back = { env: { ...env } };
    const forget = ["init", "--migrate", "--forget-previous", "--yes"];
    expect(await machine.run(forget, back)).toEqual({
      status: 1,
      ...failed("identity_exists", "amesh init --replace-lost --cancel"),
    });
    const take = ["init", "--replace-lost", "--cancel"];
    expect((await machine.run(take, back)).status).toBe(2);
    const { stdout } = await machine.succeed([...take, "--yes"], back);
    expect(stdout).toContain(`✔ This machine is "api" (${lost.deviceId}) again`);
    expect(await machine.run([...take, "--yes"], back)).toMatchObject({ status: 1 });
  });

  it("refuses while the key signs, and where there is none", async () => {
    const machine = await newMachine("api");
    const result = await machine.run(["init", "--replace-lost", "--yes"]);
    expect(result).toEqual({ status: 1, ...failed("identity_exists", "amesh init --migrate") });
    rmSync(join(machine.dir, "identity.json"));
    expect((await machine.run(["init", "--replace-lost", "--yes"])).status).toBe(4);
  });
});
