/**
 * What do session keys cost a verifier, and what do they spare a caller whose key store is slow? No HTTP, no network.
 */
import {
  createDelegation,
  createVerifier,
  type IncomingRequest,
  InMemoryNonceStore,
  PrivateKey,
  type RequestSigner,
  SessionKey,
  signRequest,
} from "@authmesh/core";
import { type ClientIdentity, createClient } from "@authmesh/sdk";
import { compare } from "./compare.js";
import { incomingRequest } from "./incoming-request.js";
import { trusting } from "./trusted-devices.js";

const calls = 1000;
const host = "api.example.com";
const url = new URL(`http://${host}/api/orders?b=2&a=1`);
const key = PrivateKey.generate();
const trust = trusting(key.publicKey, 1000);
trust.audience = [host];
const identity: ClientIdentity = { publicKey: key.publicKey, sign: async (message) => key.sign(message) };
const session = SessionKey.generate();

// Each request is good once, so every round gets its own.
let direct: { readonly requests: IncomingRequest[]; next: number };
let delegated: typeof direct;
const verifier = createVerifier({ trust, nonces: new InMemoryNonceStore(), clockSkewSeconds: 300 });
const verifyNext = async (round: typeof direct) => {
  const decision = await verifier(round.requests[round.next++] as IncomingRequest);
  if (!decision.allowed) throw new Error(decision.failure.detail);
};

await compare({
  question:
    "Verification of a delegated request, the delegation cached, against a direct one (1,000 devices)",
  prepare: async () => {
    const delegation = await createDelegation({ device: identity, session });
    const sign: RequestSigner["sign"] = async (message) => session.sign(message);
    direct = { requests: await requestsBy({ key: key.publicKey.base64, sign: identity.sign }), next: 0 };
    delegated = {
      requests: await requestsBy({ key: session.publicKey.base64, sign }, delegation),
      next: 0,
    };
  },
  ours: () => verifyNext(delegated),
  peer: () => verifyNext(direct),
  peerName: "direct",
  aim: 0.85,
  calls,
});

const answer = new Response();
const clientOf = (signer: ClientIdentity, withSession: boolean) =>
  createClient({ identity: signer, session: withSession, fetch: async () => answer });
/** Signs like a TPM behind a slow bus: correctly, and 200 ms later. */
const slow: ClientIdentity = {
  publicKey: key.publicKey,
  sign: async (message) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return key.sign(message);
  },
};
const [sessions, software] = [clientOf(slow, true), clientOf(identity, false)];
const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"amount":100}' };

await compare({
  question: "Signing with sessions over a key store that takes 200 ms, against a key in memory",
  ours: async () => void (await sessions.fetch(url.href, init)),
  peer: async () => void (await software.fetch(url.href, init)),
  peerName: "a key in memory, direct",
  aim: 0.9,
  calls,
});
await sessions.close();

async function requestsBy(signer: RequestSigner, delegation?: string): Promise<IncomingRequest[]> {
  const requests: IncomingRequest[] = [];
  for (let i = 0; i < calls; i++) {
    requests.push(incomingRequest(url, await signRequest({ method: "GET", url }, signer), delegation));
  }
  return requests;
}
