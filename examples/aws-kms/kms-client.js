// What this example uses of @aws-sdk/client-kms, for trying it out with fake-kms.js: the same classes and messages, but
// no credentials, so that AWS itself refuses it.
import { setTimeout as pause } from "node:timers/promises";

class Command {
  constructor(input) {
    this.input = input;
  }
}
export class GetPublicKeyCommand extends Command {
  static target = "GetPublicKey";
}
export class SignCommand extends Command {
  static target = "Sign";
}

/** Members that are bytes; JSON has them as base64. */
const blobs = ["Message", "Signature", "PublicKey"];
const mapBlobs = (members, map) =>
  Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, blobs.includes(name) ? map(value) : value]),
  );

export class KMSClient {
  #endpoint;
  #maxAttempts;

  constructor({ endpoint = process.env.AWS_ENDPOINT_URL_KMS, maxAttempts = 3 } = {}) {
    this.#endpoint = endpoint;
    this.#maxAttempts = maxAttempts;
  }

  async send(command, { abortSignal } = {}) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#exchange(command, abortSignal);
      } catch (error) {
        const status = error.$metadata?.httpStatusCode ?? 503; // a connection that broke
        const passes = status >= 500 || error.name === "ThrottlingException";
        if (abortSignal?.aborted || !passes || attempt >= this.#maxAttempts) throw error;
        await pause(Math.random() * 25 * 2 ** attempt, undefined, { signal: abortSignal });
      }
    }
  }

  async #exchange(command, signal) {
    const response = await fetch(this.#endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": `TrentService.${command.constructor.target}`,
      },
      body: JSON.stringify(mapBlobs(command.input, (bytes) => Buffer.from(bytes).toString("base64"))),
      signal,
    });
    const answer = await response.json();
    if (response.ok) return mapBlobs(answer, (text) => Uint8Array.from(Buffer.from(text, "base64")));
    const error = new Error(answer.message);
    error.name = answer.__type;
    error.$metadata = { httpStatusCode: response.status };
    throw error;
  }
}
