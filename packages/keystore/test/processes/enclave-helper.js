// Speaks the protocol of the Secure Enclave's helper, in place of a Mac. Its Enclave is a key in a file, under which it
// wraps the keys it makes: those of another Enclave are refused.
import { createCipheriv, createDecipheriv, createECDH, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

const curve = "prime256v1";
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * Answers one request.
 *
 * @param enclave path of the Enclave's key
 * @param twist changes the answer before it is given: (answer, request) => answer
 */
export function serve(enclave, twist = (answer) => answer) {
  const [line, ...more] = readFileSync(0, "utf8").split("\n");
  if (String(more) !== "") throw new Error("A request is one line.");
  const request = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(twist(answerTo(request, readFileSync(enclave)), request))}\n`);
}

function answerTo({ version, do: name, ...members }, enclave) {
  if (version !== 1) return refusal("unsupported_version");
  const { needs, run } = operations[name] ?? {};
  if (String(Object.keys(members)) !== String(needs)) return refusal("bad_request");
  const bytes = Object.values(members).map((text) => Buffer.from(text, "base64"));
  try {
    return { version: 1, ok: run(enclave, ...bytes) };
  } catch (error) {
    return refusal("key_refused", error.message);
  }
}

const refusal = (code, detail) => ({ version: 1, error: { code, detail } });

const operations = {
  probe: { needs: [], run: () => ({ helper: "1.0" }) },
  make: {
    needs: [],
    run(enclave) {
      const [publicKey, signingKey] = newKey(enclave, "signing");
      const [agreementPublicKey, agreementKey] = newKey(enclave, "agreement");
      return { publicKey, signingKey, agreementPublicKey, agreementKey };
    },
  },
  sign: {
    needs: ["signingKey", "digest"],
    run: (enclave, key, digest) => ({ signature: signDigest(unwrap(enclave, "signing", key), digest) }),
  },
  agree: {
    needs: ["agreementKey", "peer"],
    run(enclave, key, peer) {
      const own = createECDH(curve);
      own.setPrivateKey(unwrap(enclave, "agreement", key));
      return { secret: leftPad(own.computeSecret(peer)).toString("base64") };
    },
  },
};

/** A public key, and its private key for this Enclave and this use alone. */
function newKey(enclave, use) {
  const pair = createECDH(curve);
  const publicKey = pair.generateKeys("base64", "compressed");
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", enclave, nonce).setAAD(Buffer.from(use));
  const sealed = [cipher.update(leftPad(pair.getPrivateKey())), cipher.final(), cipher.getAuthTag()];
  return [publicKey, Buffer.concat([nonce, ...sealed]).toString("base64")];
}

function unwrap(enclave, use, wrapped) {
  const decipher = createDecipheriv("aes-256-gcm", enclave, wrapped.subarray(0, 12));
  decipher.setAAD(Buffer.from(use)).setAuthTag(wrapped.subarray(-16));
  return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
}

/** ECDSA of a digest (FIPS 186-5, 6.4), which Node.js does for messages only; s is high as often as low. */
function signDigest(key, digest) {
  const nonce = createECDH(curve);
  const r = toInteger(nonce.generateKeys().subarray(1, 33)) % order;
  const sum = toInteger(digest) + r * toInteger(key);
  return derOf(r, (inverse(toInteger(nonce.getPrivateKey())) * sum) % order);
}

/** An ECDSA-Sig-Value in base64. */
function derOf(r, s) {
  const integers = [r, s].map((value) => {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
    const content = bytes[0] > 0x7f ? [0, ...bytes] : [...bytes];
    return [2, content.length, ...content];
  });
  const content = integers.flat();
  return Buffer.from([0x30, content.length, ...content]).toString("base64");
}

/** The same signature with s in the upper half of its range. */
export function withHighS(signature) {
  const der = Buffer.from(signature, "base64");
  const [r, s] = [der.subarray(4, 4 + der[3]), der.subarray(6 + der[3])].map(toInteger);
  return derOf(r, s > order / 2n ? s : order - s);
}

const toInteger = (bytes) => BigInt(`0x${bytes.toString("hex")}`);

/** By Fermat's little theorem: the order is prime. */
function inverse(value) {
  let [result, power] = [1n, value];
  for (let exponent = order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * power) % order;
    power = (power * power) % order;
  }
  return result;
}

/** OpenSSL drops the leading zeros of a scalar. */
const leftPad = (bytes) => Buffer.concat([Buffer.alloc(32 - bytes.length), bytes]);
