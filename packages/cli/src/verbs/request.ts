import { once } from "node:events";
import { AmeshError, decodeUtf8, lookUp, readBody, toBase64 } from "@authmesh/core";
import { type OpenIdentity, openIdentity } from "@authmesh/keystore";
import { createClient, describeNetworkFailure } from "@authmesh/sdk";
import { reportFailure } from "../failure-report.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { type DescribedRequest, maxBodyBytes, readRequest } from "../request/read-request.js";
import { explainRefusal, type Refusal } from "../request/refusal.js";
import type { Terminal } from "../terminal/terminal.js";
import { visible } from "../terminal/visible.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Sends an HTTP request signed with this machine's key and prints the body of the answer. When amesh refuses the request there, it says what can be known from here: which key signed, the decision to look up in the server's log, how far the clocks differ, what to look at first.",
      "Redirects are followed within one origin and refused to any other.",
    ],
    arguments: [
      { name: "METHOD", about: "GET, POST, …" },
      { name: "URL", about: "http:// or https://" },
    ],
    options: [
      { flags: "--data DATA", about: "the body: text, @FILE, or - for standard input" },
      {
        flags: "--header HEADER",
        about:
          "'Name: value'; without a Content-Type, JSON is sent as application/json, other text as text/plain, the rest as application/octet-stream",
        repeatable: true,
      },
      {
        flags: "--timeout SECONDS",
        about: "how long everything may take, to the last byte of the answer (default 30)",
      },
    ],
    environment: keyStoreEnvironment,
    examples: [
      ["amesh request GET https://api.example.com/api/orders", "a signed GET"],
      [`amesh request POST http://localhost:3000/api/orders --data '{"amount":100}'`, "JSON"],
      ["amesh request PUT https://api.example.com/files/1 --data @photo.jpg", "a file"],
      [
        "date | amesh request POST https://api.example.com/log --data - --header 'X-Trace: 1'",
        "standard input",
      ],
    ],
    exit: [
      ["0", "the answer is 2xx"],
      ["1", "the service answered with another status of its own"],
      ["2", "the command line cannot be read"],
      ["3", "amesh refused the request there"],
      ["4", "there is no identity yet"],
      ["5", "the service cannot be reached, or cannot verify now"],
    ],
  },

  async run(call) {
    const request = await readRequest(call);
    const identity = await openIdentity({ promptSecret: call.terminal.questions.secret });
    try {
      return await exchange(identity, request, call.terminal);
    } catch (cause) {
      const reason = describeNetworkFailure(cause);
      if (reason === undefined) throw cause;
      throw new AmeshError("service_unreachable", `${request.url.origin} cannot be reached: ${reason}.`, {
        cause,
      });
    }
  },
};

/** @returns the exit status */
async function exchange(
  identity: OpenIdentity,
  { url, timeoutSeconds, body: data, ...init }: DescribedRequest,
  terminal: Terminal,
): Promise<number | undefined> {
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  // One request is no session: it would cost the key store a signature all the same.
  const { fetch } = createClient({ identity, session: false });
  const sent = fetch(url, { ...init, signal, ...(data && { body: Uint8Array.from(data) }) });
  const response = await terminal.during(`Waiting for ${url.host}`, sent);
  if (response.ok && !terminal.json) {
    await print(response.body ?? []);
    return undefined;
  }
  const body = await readBody(response, maxBodyBytes);
  if (body === undefined) throw tooLong();
  const refusal = response.ok ? undefined : explainRefusal(response, body, { identity, host: url.host });
  if (terminal.json) {
    const { status, headers } = response;
    const answer = { status, headers: Object.fromEntries(headers), ...bodyDocument(body) };
    terminal.answer({ ...answer, ...refusal?.document }, () => "");
  } else await print([body]);
  return refusal === undefined ? undefined : report(refusal, terminal);
}

function report({ error, evidence }: Refusal, terminal: Terminal): number | undefined {
  if (terminal.json) return lookUp(error.code)?.exit;
  terminal.note(evidence);
  return reportFailure(error, terminal);
}

/** As it comes; on a terminal, what would move its cursor is made visible. */
async function print(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const { stdout } = process;
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const shown = stdout.isTTY ? visible(decoder.decode(chunk, { stream: true })) : chunk;
    if (!stdout.write(shown)) await once(stdout, "drain");
  }
  if (stdout.isTTY) stdout.write("\n");
}

/** The body as text where it is text. */
function bodyDocument(body: Uint8Array): { readonly body: string } | { readonly bodyBase64: string } {
  const text = decodeUtf8(body);
  return text === undefined ? { bodyBase64: toBase64(body) } : { body: text };
}

const tooLong = () =>
  new AmeshError("service_error", `The answer is longer than ${maxBodyBytes} bytes.`, {
    fix: "Without --json an answer that is 2xx may be of any length.",
  });
