import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";
import { callTimeoutMs } from "./invariants.js";
import { audience } from "./launches.js";
import type { Proof } from "./proof.js";
import type { Call } from "./record.js";

/** What comes of a request: 0 for no answer. */
export type Outcome = Pick<Call, "status" | "code" | "decision">;

const noAnswer: Outcome = { status: 0 };

/** The connections of callers. Those of TLS are for one request each: a certificate counts from the next one on. */
export class Lines {
  readonly #plain = new http.Agent({ keepAlive: true });
  readonly #secure: https.Agent;

  /** @param ca whom callers trust, in PEM */
  constructor(ca: string | undefined) {
    this.#secure = new https.Agent({ keepAlive: false, maxCachedSessions: 0, ca });
  }

  to(url: string): { readonly request: typeof http.request; readonly agent: http.Agent } {
    return url.startsWith("https:")
      ? { request: https.request, agent: this.#secure }
      : { request: http.request, agent: this.#plain };
  }

  close(): void {
    for (const agent of [this.#plain, this.#secure]) agent.destroy();
  }
}

/** Sends a request to a part, whose proof may have been made for another request. @param origin the part's */
export function send(
  origin: string,
  { path, authorization }: Pick<Proof, "path" | "authorization">,
  lines: Lines,
): Promise<Outcome> {
  const url = `${origin}${path}`;
  const { request, agent } = lines.to(url);
  return new Promise((resolve) => {
    const headers = { Host: audience, Authorization: authorization };
    const sent = request(url, { agent, headers, signal: AbortSignal.timeout(callTimeoutMs) }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("error", () => resolve(noAnswer));
      response.on("end", () => resolve(outcomeOf(response.statusCode ?? 0, response.headers, body)));
    });
    sent.on("error", () => resolve(noAnswer));
    sent.end();
  });
}

/** What an answer says. */
export function outcomeOf(status: number, headers: IncomingHttpHeaders, body: string): Outcome {
  const decision = headers["authmesh-decision"];
  return { status, code: codeOf(body), decision: typeof decision === "string" ? decision : undefined };
}

function codeOf(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { readonly error?: string }).error;
  } catch {
    return undefined;
  }
}
