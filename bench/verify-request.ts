/** What does a full verification cost beside the signature check it cannot do without? No HTTP. */
import { hash, verify } from "node:crypto";
import {
  createVerifier,
  type IncomingRequest,
  InMemoryNonceStore,
  PrivateKey,
  signRequest,
} from "@authmesh/core";
import { p256 } from "@noble/curves/nist.js";
import { compare } from "./compare.js";
import { keyObjectOf } from "./key-object.js";
import { trusting } from "./trusted-devices.js";

const calls = 1000;
const host = "api.example.com";
const body = Buffer.from("x".repeat(100));

const key = PrivateKey.generate();
const trust = trusting(key.publicKey, 1000);
trust.audience = [host];
const verifier = createVerifier({ trust, nonces: new InMemoryNonceStore(), clockSkewSeconds: 300 });

// Each request is good once, so every round gets its own.
let requests: IncomingRequest[] = [];
let next = 0;
const prepare = async () => {
  requests = await prepareRequests(calls);
  next = 0;
};
const ours = async () => {
  const decision = await verifier(requests[next++] as IncomingRequest);
  if (!decision.allowed) throw new Error(decision.failure.detail);
};

const message = Buffer.from("x".repeat(180));
const bytes = key.publicKey.bytes;
const bareKey = keyObjectOf(bytes);
const signature = Buffer.from(p256.sign(message, key.export()));

await compare({
  question: "Full verification (header to decision, 100-byte body, 1,000 devices) against bare crypto.verify",
  prepare,
  ours,
  peer: () => {
    if (!verify("sha256", message, { key: bareKey, dsaEncoding: "ieee-p1363" }, signature))
      throw new Error("invalid");
  },
  peerName: "crypto.verify on a cached key",
  aim: 0.8,
  calls,
});

await compare({
  question: "The same against pure JavaScript",
  prepare,
  ours,
  peer: () => {
    if (!p256.verify(signature, message, bytes, { lowS: false })) throw new Error("invalid");
  },
  peerName: "@noble/curves p256.verify",
  aim: 10,
  calls: 20,
});

async function prepareRequests(count: number): Promise<IncomingRequest[]> {
  const signer = {
    key: key.publicKey.base64,
    sign: async (m: Parameters<typeof key.sign>[0]) => key.sign(m),
  };
  const url = new URL(`http://${host}/api/orders?b=2&a=1`);
  const prepared: IncomingRequest[] = [];
  for (let i = 0; i < count; i++) {
    const authorization = await signRequest(
      { method: "POST", url, body, contentType: "application/json" },
      signer,
    );
    const headers: Record<string, readonly string[]> = {
      // One flat string, as the HTTP parser makes it, and not the rope that concatenation leaves.
      authorization: [Buffer.from(authorization, "latin1").toString("latin1")],
      host: [host],
      "content-type": ["application/json"],
      "content-length": [String(body.length)],
    };
    prepared.push({
      method: "POST",
      target: "/api/orders?b=2&a=1",
      headers: (name) => headers[name] ?? [],
      hasBody: true,
      bodyHash: async () => hash("sha256", body, "hex"),
    });
  }
  return prepared;
}
