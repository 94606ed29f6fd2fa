import { describe, expect, it } from "vitest";
import { type Definition, Machine, to } from "../../src/pairing/machine.js";
import { fullStrength, type Known } from "../../src/pairing/session.js";

/** A machine of one state that holds one secret. */
function machineWith(secret: Uint8Array) {
  const definition: Definition<{ only: Known }> = {
    initial: { state: "only", known: { secrets: [secret] } },
    hidden: [],
    transitions: {
      only: {
        stored: (known) => to("done", known),
        accepted: () => {
          throw new RangeError("a bug");
        },
        farewell: () => [{ type: "send", frame: Uint8Array.from(secret) }],
      },
    },
  };
  const self = { publicKey: "", friendlyName: "" };
  return new Machine(definition, {
    role: "target",
    self,
    rendezvous: "",
    random: () => secret,
    strength: fullStrength,
  });
}

describe("the machine that runs a table", () => {
  it("wipes the secrets when it is done", () => {
    const secret = Uint8Array.of(1, 2, 3);
    machineWith(secret).handle({ type: "stored" });
    expect(secret).toEqual(new Uint8Array(3));
  });

  it("wipes the secrets when it fails, after the farewell that still needs them", () => {
    const secret = Uint8Array.of(1, 2, 3);
    const effects = machineWith(secret).handle({ type: "timeout" });
    expect(effects).toMatchObject([{ type: "send", frame: Uint8Array.of(1, 2, 3) }, { type: "failed" }]);
    expect(secret).toEqual(new Uint8Array(3));
  });

  it("takes no bug for a failure of the pairing", () => {
    const machine = machineWith(Uint8Array.of(1));
    expect(() => machine.handle({ type: "accepted" })).toThrow(RangeError);
    expect(machine.state).toBe("only");
  });
});
