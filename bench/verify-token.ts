/** What does a token cost to verify beside jose's jwtVerify, and to mint beside the bare signature? No HTTP. */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import {
  type IncomingRequest,
  InMemoryNonceStore,
  jwkOf,
  PrivateKey,
  randomBytes,
  signHttpRequest,
} from "@authmesh/core";
import {
  createEd25519Signer,
  createP256Signer,
  createTokenVerifier,
  type MintOptions,
  mintToken,
  staticKeys,
  type TokenSigner,
  type TokenVerifierOptions,
  thumbprint,
} from "@authmesh/oath";
import { createLocalJWKSet, jwtVerify } from "jose";
import { compare } from "./compare.js";

const issuer = "https://issuer.example.com";
const audience = "https://api.example.com";
const claims = { sub: "svc://billing/worker", aud: audience, act: "orders.write", scope: ["orders:rw"] };
const calls = 500;

const seed = randomBytes(32);
const p256 = PrivateKey.generate();
const signers = { EdDSA: createEd25519Signer(seed), ES256: createP256Signer(p256) };
const jwks = { keys: Object.values(signers).map(({ publicJwk }) => publicJwk) };

/** One flat string, as the HTTP parser makes it, and not the rope that concatenation leaves. */
const flat = (text: string) => Buffer.from(text, "latin1").toString("latin1");
const mint = async (signer: TokenSigner, more: Partial<MintOptions & { cnf: { jkt: string } }> = {}) => {
  const { cnf, ...options } = more;
  const { token } = await mintToken(
    { ...claims, ...(cnf && { cnf }) },
    { issuer, signer, ttlSeconds: 300, ...options },
  );
  return flat(token);
};
const verifierWith = (options: Partial<TokenVerifierOptions> = {}) =>
  createTokenVerifier({
    audience,
    trustedIssuers: [issuer],
    keys: staticKeys({ [issuer]: jwks }),
    replay: new InMemoryNonceStore(),
    policy: "none",
    hosts: "api.example.com",
    ...options,
  });

const joseKeys = createLocalJWKSet({ keys: [...jwks.keys] });
const jose = async (token: string) =>
  void (await jwtVerify(token, joseKeys, {
    issuer,
    audience,
    typ: "om+jwt",
    algorithms: ["EdDSA", "ES256"],
  }));
const must = (decision: { readonly allowed: boolean }) => {
  if (!decision.allowed) throw new Error(JSON.stringify(decision));
};

for (const [alg, signer] of Object.entries(signers)) {
  // Each is good once, so every round gets its own.
  let tokens: string[] = [];
  const next = { ours: 0, peer: 0 };
  const verifier = verifierWith();
  await compare({
    question: `A token of ${alg} that was never seen: all fourteen steps, its jti recorded, against jose's jwtVerify`,
    async prepare() {
      tokens = await Promise.all(Array.from({ length: calls }, () => mint(signer)));
      next.ours = next.peer = 0;
    },
    ours: async () => must(await verifier.verify(tokens[next.ours++])),
    peer: () => jose(tokens[next.peer++] as string),
    peerName: "jose jwtVerify, keys at hand",
    aim: 1,
    calls,
  });
}

{
  const verifier = verifierWith({ tokenUse: "until-expiry" });
  const token = await mint(signers.EdDSA);
  await compare({
    question: 'A token of EdDSA that comes again (tokenUse "until-expiry"), against jose\'s jwtVerify',
    ours: async () => must(await verifier.verify(token)),
    peer: () => jose(token),
    peerName: "jose jwtVerify, keys at hand",
    aim: 15,
    calls,
  });
}

{
  const holder = PrivateKey.generate();
  const verifier = verifierWith();
  const token = await mint(signers.EdDSA, { cnf: { jkt: thumbprint(jwkOf(holder.publicKey)) } });
  let requests: IncomingRequest[] = [];
  let next = 0;
  await compare({
    question:
      "A token that comes again with a request its holder signed (cnf), against jose's jwtVerify of the token alone",
    async prepare() {
      requests = await Promise.all(Array.from({ length: calls }, () => signedRequest(holder, token)));
      next = 0;
    },
    ours: async () => must(await verifier.verify(undefined, requests[next++])),
    peer: () => jose(token),
    peerName: "jose jwtVerify, keys at hand",
    calls,
  });
}

const bare: Readonly<Record<keyof typeof signers, () => void>> = {
  EdDSA: bareSigning(
    null,
    Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    "pkcs8",
  ),
  ES256: bareSigning(
    "sha256",
    Buffer.concat([
      Buffer.from("30310201010420", "hex"),
      p256.export(),
      Buffer.from("a00a06082a8648ce3d030107", "hex"),
    ]),
    "sec1",
  ),
};
for (const alg of ["EdDSA", "ES256"] as const) {
  await compare({
    question: `Minting a token of ${alg} against the bare signature`,
    ours: async () => void (await mintToken(claims, { issuer, signer: signers[alg] })),
    peer: bare[alg],
    peerName: "bare crypto.sign",
    calls,
  });
}

function bareSigning(digest: string | null, der: Buffer, type: "pkcs8" | "sec1"): () => void {
  const key: KeyObject = createPrivateKey({ key: der, format: "der", type });
  const message = Buffer.from("x".repeat(320));
  return () => void sign(digest, message, { key, dsaEncoding: "ieee-p1363" });
}

async function signedRequest(holder: PrivateKey, token: string): Promise<IncomingRequest> {
  const authorization = flat(`OathMesh ${token}`);
  const proof = await signHttpRequest(
    { method: "GET", url: new URL("https://api.example.com/api/orders?b=2&a=1") },
    { publicKey: holder.publicKey, sign: async (message) => holder.sign(message), authorization },
  );
  const headers: Readonly<Record<string, readonly string[]>> = {
    host: ["api.example.com"],
    authorization: [authorization],
    "signature-input": [flat(proof["Signature-Input"])],
    signature: [flat(proof.Signature)],
  };
  return {
    method: "GET",
    target: "/api/orders?b=2&a=1",
    headers: (name) => headers[name] ?? [],
    hasBody: false,
    bodyHash: () => Promise.reject(new Error("There is no body.")),
  };
}
