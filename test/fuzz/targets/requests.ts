/** What proves a request: headers, HTTP signatures, statements by devices. */
import {
  checkBootstrapToken,
  checkEventEvidence,
  createVerifier,
  isJsonObject,
  presentedProofs,
  readBootstrapToken,
  readCompactJws,
  readDelegation,
  readDeviceRevocation,
  readSuccession,
} from "@authmesh/core";
import {
  readAccountClaimDetails,
  readAttestationEvidence,
  readChallengeAnswer,
  readEnrollmentRequest,
} from "@authmesh/core/enrollment";
import { type Reader, withCode } from "@authmesh/core/records";
import { presentedToken, requestHashOf } from "@authmesh/oath";
import { readContentDigest } from "../../../packages/core/src/http-signature/content-digest.js";
import { readMessageSignatures } from "../../../packages/core/src/http-signature/message-signatures.js";
import { readHttpSignature } from "../../../packages/core/src/http-signature/profile.js";
import { signatureBase } from "../../../packages/core/src/http-signature/signature-base.js";
import { nonces, noon, now, payloadOf, requestOf, signedByDevice, trust } from "../subjects.js";
import { Disagreement, json, jws, type Target, text } from "../target.js";

const verify = createVerifier({ trust, nonces, now, audience: ["api.example.com"] });
const requestWords = [
  "GET / ",
  "POST ",
  "/api/orders",
  "?a=1",
  "\n",
  "host: ",
  "api.example.com",
  "authorization: ",
  'AuthMesh v="1"',
  "OathMesh ",
  "signature-input: ",
  "signature: ",
  "content-digest: ",
  "sig1=",
  '("@method" "@target-uri")',
  ";created=1743160800",
  ';tag="amesh"',
  ';alg="ecdsa-p256-sha256"',
  ":AAAA=:",
  "sha-256=",
  '"@query-param";name="a"',
  "\n\n",
  "amesh-delegation: ",
]; // prettier-ignore

const tokenWords = ["e30", ".", "eyJ", "=="];

/** Of members that another reader has taken out of a document. */
const within =
  <T>(reader: Reader<T>) =>
  (document: string) =>
    withCode(() => reader(payloadOf(document), ""), "authority_request_invalid", "The document");

export const requests: readonly Target[] = [
  text(
    "request",
    async (written) => {
      const request = requestOf(written);
      presentedProofs(request);
      const decision = await verify(request);
      return decision.allowed ? decision : decision.failure;
    },
    { words: requestWords },
  ),
  text(
    "http-signature",
    (written) => {
      const request = requestOf(written);
      for (const each of readMessageSignatures(request)) signatureBase({ ...request, authority: "h" }, each);
      return readHttpSignature(request);
    },
    { words: requestWords },
  ),
  text("content-digest", (lines) => readContentDigest(lines.split("\n")), {
    words: ["sha-256=", "sha-512=", ":AAAA=:", ", ", "\n", ":", "?1", "md5="],
  }),
  text(
    "presented-token",
    (written) => {
      const token = presentedToken(requestOf(written));
      return typeof token === "string" ? { token } : token;
    },
    { words: requestWords },
  ),
  text(
    "outgoing-url",
    (address) => {
      if (!URL.canParse(address)) return undefined;
      return { hash: requestHashOf({ method: "GET", url: new URL(address) }) };
    },
    { words: ["https://", "api.example.com", ":443", "/a", "?b=", "%", "#c", "user@"] },
  ),
  jws("compact-jws", (token) => readCompactJws(token, "amesh-delegation+jwt", 4096), { words: tokenWords }),
  jws("delegation", readDelegation, { words: tokenWords }),
  json("delegation-claims", async (payload) =>
    readDelegation(await signedByDevice("amesh-delegation+jwt", payload)),
  ),
  jws(
    "bootstrap-token",
    (token) => {
      const read = readBootstrapToken(token);
      if ("code" in read && JSON.stringify(read).includes(token) && token.length > 8)
        throw new Disagreement("the failure repeats the token");
      return read;
    },
    { words: tokenWords },
  ),
  json("bootstrap-claims", async (payload) => {
    const read = readBootstrapToken(await signedByDevice("amesh-bootstrap+jwt", payload));
    return "code" in read ? read : (checkBootstrapToken(read, { now: noon, hosts: ["api-1"] }) ?? read);
  }),
  jws("device-revocation", readDeviceRevocation, { words: tokenWords }),
  json("device-revocation-claims", async (payload) =>
    readDeviceRevocation(await signedByDevice("amesh-revocation+jwt", payload)),
  ),
  jws("succession", readSuccession, { words: tokenWords }),
  json("succession-claims", async (payload) =>
    readSuccession(await signedByDevice("amesh-succession+jwt", payload)),
  ),
  json("evidence", (event) => {
    const data = payloadOf(event);
    return isJsonObject(data) ? checkEventEvidence(data) : undefined;
  }),
  json("enrollment-request", within(readEnrollmentRequest)),
  json("challenge-answer", within(readChallengeAnswer)),
  json("account-claim", within(readAccountClaimDetails)),
  json("attestation-evidence", within(readAttestationEvidence)),
];
