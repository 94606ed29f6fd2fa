import { catalogue } from "@authmesh/core";
import { afterAll, describe, expect, it } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const machine = new TestMachine();
afterAll(() => machine.remove());

describe("amesh explain", () => {
  it("explains a code in full", async () => {
    const { status, stdout } = await machine.run(["explain", "clock_skew"]);
    expect(status).toBe(0);
    expect(stdout).toContain(catalogue.clock_skew.summary);
    expect(stdout).toContain(catalogue.clock_skew.fix);
    expect(stdout).toMatch(/HTTP status +: 401/);
    expect(stdout).toMatch(/A caller sees : \{"error":"unauthorized"\}/);
    expect(stdout).toMatch(/Exit status +: 3/);
  });

  it("lists every code", async () => {
    const { stdout } = await machine.run(["explain"]);
    for (const [code, { summary }] of Object.entries(catalogue))
      expect(stdout).toMatch(new RegExp(`^${code} +${summary.replace(/[.()|]/g, "\\$&")}$`, "m"));
    const { codes } = documentOf(await machine.run(["explain", "--json"]));
    expect(codes.map(({ code }: { code: string }) => code)).toEqual(Object.keys(catalogue));
  });

  it.each([
    ["otc_expired", /60 seconds/, /amesh listen/],
    ["pairing_code_mismatch", /Nothing was changed/, /somebody may stand in between.*another relay/],
    ["pairing_unconfirmed", /did not acknowledge/, /amesh list.*revoke a stale entry/],
    ["pairing_timeout", /Timed out waiting for the other device/, /same relay.*--relay/],
    ["relay_unreachable", /cannot be reached/, /amesh relay.*--relay/],
    ["controller_limit_reached", /no further controller/, /--replace.*--max-controllers/],
  ])("says of the pairing failure %s what happened and what to do", async (code, happened, mend) => {
    const { summary, fix } = documentOf(await machine.run(["explain", code, "--json"]));
    expect(`${summary} ${fix}`).toMatch(happened);
    expect(fix).toMatch(mend);
  });

  it("knows no other codes and says which one may have been meant", async () => {
    expect(await machine.run(["explain", "clock-skew"])).toEqual({
      status: 2,
      ...failed("code_unknown", "Did you mean `amesh explain clock_skew`?"),
    });
    expect(await machine.run(["explain", "toString"])).toEqual({
      status: 2,
      ...failed("code_unknown", "Run `amesh explain` for the list."),
    });
  });
});
