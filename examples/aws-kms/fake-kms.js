// Behaves like AWS KMS for one P-256 key, over HTTP and without credentials: for tests, and for trying the example out.
// The key is in memory, and gone when the program ends.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { p256 } from "@noble/curves/nist.js";

const spkiPrefix = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");

/** An answer that is none: status, type, message. */
class Refusal extends Error {
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** What may happen to a request in place of an answer. */
const troubles = {
  throttle: () => {
    throw new Refusal(400, "ThrottlingException", "Rate exceeded");
  },
  fail: () => {
    throw new Refusal(500, "KMSInternalException", "An internal error occurred.");
  },
  reset: (response) => response.socket.resetAndDestroy(),
  hang: () => {},
};

export class FakeKms {
  /** How often it signed. */
  signatures = 0;
  /** What happens to the next requests, one name of `troubles` each. */
  trouble = [];
  latencyMs = 0;
  keyId = `arn:aws:kms:eu-central-1:111122223333:key/${randomUUID()}`;
  #privateKey = p256.utils.randomSecretKey();
  #server = createServer((request, response) => void this.#serve(request, response));

  static async start(port = 0) {
    const kms = new FakeKms();
    await new Promise((resolve) => kms.#server.listen(port, "127.0.0.1", resolve));
    return kms;
  }

  get endpoint() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** SubjectPublicKeyInfo in DER. */
  get publicKey() {
    return Buffer.concat([spkiPrefix, p256.getPublicKey(this.#privateKey, false)]);
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request, response) {
    response.setHeader("Content-Type", "application/x-amz-json-1.1");
    try {
      const chunks = await request.toArray();
      await pause(this.latencyMs);
      const trouble = troubles[this.trouble.shift()];
      if (trouble !== undefined) return trouble(response);
      const operation = this.#operations[request.headers["x-amz-target"]];
      if (operation === undefined) throw new Refusal(400, "UnknownOperationException", "");
      response.end(JSON.stringify(operation(JSON.parse(Buffer.concat(chunks)))));
    } catch (error) {
      const { status = 400, type = "SerializationException", message } = error;
      response.writeHead(status).end(JSON.stringify({ __type: type, message }));
    }
  }

  #operations = {
    "TrentService.GetPublicKey": ({ KeyId }) => {
      this.#assertKnown(KeyId);
      return {
        KeyId: this.keyId,
        KeySpec: "ECC_NIST_P256",
        KeyUsage: "SIGN_VERIFY",
        PublicKey: this.publicKey.toString("base64"),
        SigningAlgorithms: ["ECDSA_SHA_256"],
      };
    },
    "TrentService.Sign": ({ KeyId, Message, MessageType = "RAW", SigningAlgorithm }) => {
      this.#assertKnown(KeyId);
      if (SigningAlgorithm !== "ECDSA_SHA_256")
        throw new Refusal(400, "InvalidKeyUsageException", `${this.keyId} does not sign so.`);
      const message = Buffer.from(Message, "base64");
      if (MessageType === "DIGEST" && message.length !== 32)
        throw new Refusal(
          400,
          "ValidationException",
          "Digest is invalid length for algorithm ECDSA_SHA_256.",
        );
      // As KMS does: in DER, by a fresh random number, s high half of the time.
      const options = { prehash: MessageType === "RAW", lowS: false, extraEntropy: true, format: "der" };
      const signature = p256.sign(message, this.#privateKey, options);
      this.signatures++;
      return { KeyId: this.keyId, Signature: Buffer.from(signature).toString("base64"), SigningAlgorithm };
    },
  };

  #assertKnown(keyId) {
    if (keyId !== this.keyId) throw new Refusal(400, "NotFoundException", `Key '${keyId}' does not exist`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const kms = await FakeKms.start(4599);
  kms.latencyMs = 50;
  console.log(`export AWS_ENDPOINT_URL_KMS=${kms.endpoint} KMS_KEY_ID=${kms.keyId}`);
  console.log(`echo ${kms.publicKey.toString("base64")} > caller.pub`);
}
