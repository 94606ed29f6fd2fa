import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { failed } from "./fixtures/documents.js";

const machine = new TestMachine();
const passphrase = "correct horse";

beforeAll(async () => {
  const env = { ...machine.env, AUTH_MESH_PASSPHRASE: passphrase };
  await machine.init("api", { env, backend: "encrypted-file" });
});
afterAll(() => machine.remove());

describe("a passphrase that is kept elsewhere", () => {
  it("is asked for on a terminal, which does not show it", async () => {
    const typed = [
      ["Passphrase of the key file: ", `corrupt\u007f\u007f\u007f\u007f${passphrase.slice(3)}\r`],
    ] as const;
    const { status, screen } = await machine.runInTerminal(["list"], typed);
    expect(screen).toContain("No trusted devices yet.");
    expect(screen).not.toContain("horse");
    expect(status).toBe(0);
  });

  it("may be followed by another question", async () => {
    await machine.trust("Dev Laptop", {}, { AUTH_MESH_PASSPHRASE: passphrase });
    const { status, screen } = await machine.runInTerminal(
      ["revoke", "Dev Laptop"],
      [
        ["key file: ", `${passphrase}\r`],
        ["[y/N] ", "y\n"],
      ],
    );
    expect(screen).toContain("revoked.");
    expect(status).toBe(0);
  });

  it("is refused when it does not fit, and when the question is interrupted", async () => {
    const wrong = await machine.runInTerminal(["list"], [["key file: ", "wrong\r"]]);
    expect(wrong.screen).toContain("(passphrase_wrong)");
    const interrupted = await machine.runInTerminal(["list"], [["key file: ", "\u0003"]]);
    expect(interrupted.screen).toContain("The question was interrupted. Nothing was changed. (declined)");
    expect([wrong.status, interrupted.status]).toEqual([1, 1]);
  });

  it("is missing where nobody can be asked", async () => {
    const missing = { status: 4, ...failed("passphrase_missing", "AMESH_PASSPHRASE_FILE") };
    expect(await machine.run(["list"])).toEqual(missing);
    expect(await machine.run(["list"], { input: `${passphrase}\n` })).toEqual(missing);
    const { screen } = await machine.runInTerminal(["list", "--no-input"]);
    expect(screen).toContain("(passphrase_missing)");
  });
});
