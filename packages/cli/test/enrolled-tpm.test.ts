import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type Made, manufactured, SoftwareTpm } from "../../keystore/test/swtpm.js";
import { emptyMachine, machineWithKey, TestAuthority } from "./fixtures/account.js";
import { documentOf } from "./fixtures/documents.js";

let made: Made;
let authority: TestAuthority;
beforeAll(async () => {
  made = manufactured(afterAll);
  authority = await TestAuthority.serve(["--attestation-roots", made.roots, "--require-attestation"]);
});
afterAll(() => authority.stop());

it("a machine's TPM proves where its key is, and only such a key is approved", async () => {
  const laptop = await authority.root("@proving");
  const request = [
    ...authority.request("@proving", "orders", { orders: "r" }),
    ...["--passcode-file", "-", "--no-wait"],
  ];
  const ask = async (machine: typeof laptop, ...more: string[]) => {
    const input = (await laptop.succeed(["enroll", "passcode"])).stdout;
    return machine.run([...request, ...more], { input });
  };
  const keyOf = async (id: string) =>
    /^ *Key +: (.*)$/m.exec((await laptop.succeed(["enroll", "show", id])).stdout)?.[1];
  const idOf = (stdout: string) => /en_[\w-]{16}/.exec(stdout)?.[0] ?? "";

  const box = emptyMachine();
  Object.assign(box.env, (await SoftwareTpm.start(onTestFinished, "unix", made.state)).env);
  const asked = await ask(box, "--backend", "tpm", "--attest");
  expect(asked.stderr).toContain(
    "What the authority knows of the key: key is in a TPM made by id:00001014\n",
  );
  expect(await keyOf(idOf(asked.stdout))).toBe("key is in a TPM made by id:00001014");
  await laptop.succeed(["enroll", "approve", idOf(asked.stdout), "--yes"]);
  await box.succeed(["login"]);

  const software = await machineWithKey();
  expect((await ask(software, "--attest")).stderr).toMatch(/not in a TPM\. \(attestation_unavailable\)/);
  const silent = await ask(software, "--no-attest", "--device", "box-2");
  expect(await keyOf(idOf(silent.stdout))).toBe("no statement of a TPM");
  const approval = await laptop.run(["enroll", "approve", idOf(silent.stdout), "--yes", "--json"]);
  expect([approval.status, documentOf(approval).error.code]).toEqual([3, "attestation_required"]);

  const uncertified = emptyMachine();
  Object.assign(uncertified.env, (await SoftwareTpm.start(onTestFinished)).env);
  const claimed = await ask(uncertified, "--backend", "tpm", "--device", "box-3");
  expect(await keyOf(idOf(claimed.stdout))).toMatch(/^in a TPM: claimed, not proven\. .*has no certificate/);
}, 60_000);
