import { describe, expect, it } from "vitest";
import { mint, noon, outcome, requestWith, verifierWith } from "./token-fixture.js";

describe("a token", () => {
  it("of a trusted issuer is accepted, once", async () => {
    const verifier = verifierWith();
    const token = await mint();
    const decision = await verifier.verify(token);
    expect(decision).toMatchObject({
      allowed: true,
      caller: {
        principal: { subject: "svc://billing/worker" },
        action: "orders.write",
        expiresAt: noon + 120,
      },
    });
    expect(outcome(await verifier.verify(token))).toBe("13 replay_detected");
  });

  it("is read from the request's Authorization header", async () => {
    const request = requestWith({ authorization: [`oathmesh ${await mint()}`] });
    expect(outcome(await verifierWith().verify(undefined, request))).toBe("allowed");
    expect(outcome(await verifierWith().verify(undefined, requestWith({})))).toBe("1 claim_missing:token");
  });
});
