/** What does the client cost beside the signature it cannot do without? No network. */
import { createPrivateKey, sign } from "node:crypto";
import { PrivateKey } from "@authmesh/core";
import { createClient } from "@authmesh/sdk";
import { compare } from "./compare.js";

const key = PrivateKey.generate();
const answer = new Response();
const client = createClient({
  identity: { publicKey: key.publicKey, sign: async (message) => key.sign(message) },
  fetch: async () => answer,
});

const bare = createPrivateKey({
  key: Buffer.concat([
    Buffer.from("30310201010420", "hex"),
    key.export(),
    Buffer.from("a00a06082a8648ce3d030107", "hex"),
  ]),
  format: "der",
  type: "sec1",
});
const body = '{"amount":100}';
const message = Buffer.from("x".repeat(180));
const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };

await compare({
  question: "Signing through createClient (string URL, string body) against bare crypto.sign",
  ours: async () => void (await client.fetch("http://api.example.com/api/orders", init)),
  peer: () => void sign("sha256", message, { key: bare, dsaEncoding: "ieee-p1363" }),
  peerName: "bare crypto.sign",
  aim: 0.6,
  calls: 1000,
});
