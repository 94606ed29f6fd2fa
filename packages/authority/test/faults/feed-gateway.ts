import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Ended } from "../stores.js";

/** What becomes of an event that is pushed: it is sent on as often, and when, this says. */
export type Meddling = (event: string, send: (event: string) => void) => void;

/** What the network does to one verifier. */
export interface Mischief {
  /** Of pushed events. Default: they pass. */
  readonly meddle?: Meddling;
  /** Paths that do not get through. Default: all do. */
  readonly cut?: RegExp;
}

/** What stands between verifiers and their authority, and is none too honest. */
export class FeedGateway {
  readonly port: number;
  readonly #upstream: number;
  readonly #mischiefs = new Map<string, Mischief>();
  readonly #open = new Map<ServerResponse, { readonly key: string; readonly path: string }>();
  readonly #servers: Server[] = [];

  /** @param upstream the authority's port */
  constructor(port: number, upstream: number, ended: Ended) {
    this.port = port;
    this.#upstream = upstream;
    ended(() => {
      for (const server of this.#servers) {
        server.close();
        server.closeAllConnections();
      }
    });
  }

  async listen(address: string): Promise<void> {
    const server = createServer((incoming, response) => this.#handOn(incoming, response));
    this.#servers.push(server);
    await once(server.listen(this.port, address), "listening");
  }

  /** From now on, for connections that are open too. @param key of the verifier, in base64 */
  plague(key: string, mischief: Mischief): void {
    this.#mischiefs.set(key, mischief);
    for (const [response, of] of this.#open)
      if (of.key === key && mischief.cut?.test(of.path)) response.destroy();
  }

  #handOn(incoming: IncomingMessage, response: ServerResponse): void {
    const { url: path = "", method, headers } = incoming;
    const key = [...this.#mischiefs.keys()].find((each) => headers.authorization?.includes(each)) ?? "";
    if (this.#mischiefs.get(key)?.cut?.test(path)) return void response.destroy();
    this.#open.set(response, { key, path });
    const onward = request({ port: this.#upstream, host: "127.0.0.1", path, method, headers });
    onward.on("error", () => response.destroy());
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      if (!path.endsWith("/events")) return void answer.pipe(response);
      const events = new PushedEvents((event) => {
        const { meddle } = this.#mischiefs.get(key) ?? {};
        if (meddle === undefined) response.write(event);
        else meddle(event, (sent) => response.write(sent));
      });
      answer.setEncoding("utf8").on("data", (text: string) => events.push(text));
      answer.on("close", () => response.destroy());
    });
    response.on("close", () => {
      this.#open.delete(response);
      onward.destroy();
    });
    incoming.pipe(onward);
  }
}

/** Finds where events end. */
class PushedEvents {
  #text = "";
  readonly #take: (event: string) => void;

  constructor(take: (event: string) => void) {
    this.#take = take;
  }

  push(text: string): void {
    const events = `${this.#text}${text}`.split(/(?<=\n\n)/);
    this.#text = events.at(-1)?.endsWith("\n\n") ? "" : (events.pop() ?? "");
    for (const event of events) this.#take(event);
  }
}

/** The connection stays: for 25 s it looks as if it were well. */
export const dropEverything: Meddling = () => {};

export const dropDeltas: Meddling = (event, send) => {
  if (!event.includes("event: delta")) send(event);
};

/** Two of twenty, in turn one of those in even and one of those in odd places: deltas as well as heads. */
export function dropTenth(): Meddling {
  let count = 0;
  return (event, send) => {
    if (![3, 12].includes(count++ % 20)) send(event);
  };
}

/** Four at a time, the last one first; fewer of them after a while. */
export function reorder(): Meddling {
  let held: string[] = [];
  return (event, send) => {
    const release = () => {
      for (const each of held.reverse()) send(each);
      held = [];
    };
    if (held.length === 0) setTimeout(release, 200);
    held.push(event);
    if (held.length === 4) release();
  };
}
