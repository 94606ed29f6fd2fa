import { describe, expect, it, onTestFinished } from "vitest";
import {
  createEd25519Signer,
  createTokenVerifier,
  InMemoryReplayCache,
  mintToken,
  pollRevocations,
  staticKeys,
} from "../src/index.js";
import { HttpServer, ManualClock } from "./fixtures/http-server.js";
import { RevocationIssuer } from "./fixtures/revocation-issuer.js";

const audience = "https://orders.example";
const signer = createEd25519Signer(new Uint8Array(32).fill(3));

async function scene() {
  const clock = new ManualClock();
  const { now, monotonic, schedule } = clock;
  const lists = new RevocationIssuer();
  const server = await HttpServer.start(lists.answer, onTestFinished);
  const issuer = server.url;
  lists.issuer = issuer;
  const revocations = pollRevocations({ issuer, now, monotonic, schedule, maxStaleSeconds: 60 });
  onTestFinished(() => revocations.close());
  await revocations.preWarm();
  const verifier = createTokenVerifier({
    ...{ audience, trustedIssuers: [issuer], revocations, policy: "none", now },
    keys: staticKeys({ [issuer]: { keys: [signer.publicJwk] } }),
    replay: new InMemoryReplayCache({ now, monotonic }),
  });
  const verify = async (token: string) => {
    const decision = await verifier.verify(token);
    return decision.allowed ? "allowed" : `${decision.failure.step} ${decision.failure.code}`;
  };
  const mint = (sub = "svc://billing/worker", tenant = "acme") =>
    mintToken({ sub, tenant, aud: audience, act: "orders.write" }, { issuer, signer, now });
  return { clock, lists, server, issuer, revocations, verify, mint };
}

describe("a token of an issuer with a revocation list", () => {
  it.each(["sub", "jti", "kid", "tenant"] as const)("is refused once its %s is on it", async (by) => {
    const { lists, issuer, revocations, verify, mint } = await scene();
    const { token, claims } = await mint();
    const value = by === "kid" ? signer.publicJwk.kid : String(claims[by]);
    lists.change({ generation: 0, revocation: { issuer, by, value, reason: "lost", actor: "am_a", at: 1 } });
    await revocations.preWarm();
    expect(await verify(token)).toBe("13.5 revoked");
    const other = await mint("svc://billing/other", "other");
    expect(await verify(other.token)).toBe(by === "kid" ? "13.5 revoked" : "allowed");
  });

  it("is not used up while nobody can say whether it was revoked", async () => {
    const { clock, server, revocations, verify, mint } = await scene();
    await server.stop();
    clock.pass(61);
    const { token } = await mint();
    for (let attempt = 0; attempt < 3; attempt++)
      expect(await verify(token)).toBe("13.5 revocation_unavailable");
    await server.start();
    clock.pass(30);
    await revocations.preWarm();
    expect(await verify(token)).toBe("allowed");
    expect(await verify(token)).toBe("13 replay_detected");
  });
});
