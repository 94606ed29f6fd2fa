import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { type ClientMessage, doWork, formatClientMessage, type RelayMessage } from "@authmesh/core";
import { expect, onTestFinished } from "vitest";
import { type ClientOptions, WebSocket } from "ws";

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** One end of a pairing, as a WebSocket client of the relay. */
export class Device {
  readonly socket: WebSocket;
  readonly closed: Promise<Closing>;
  readonly #inbox: string[] = [];
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      this.#inbox.push(data.toString());
      this.#wake();
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    onTestFinished(() => socket.terminate());
  }

  /** @param from the address to claim in X-Forwarded-For */
  static async open(url: string, from?: string, options: ClientOptions = {}): Promise<Device> {
    const headers: Record<string, string> = from === undefined ? {} : { "X-Forwarded-For": from };
    const device = new Device(
      new WebSocket(url, { ...options, headers: { ...headers, ...options.headers } }),
    );
    await once(device.socket, "open");
    return device;
  }

  say(message: ClientMessage): void {
    this.sendRaw(formatClientMessage(message));
  }

  sendRaw(data: string | Buffer, binary = typeof data !== "string"): void {
    this.socket.send(data, { binary });
  }

  /** The next message, parsed; fails when the socket closes first. */
  async next(): Promise<unknown> {
    const closed = this.closed.then(({ code, reason }) => `closed with ${code} ${reason}`);
    for (;;) {
      const text = this.#inbox.shift();
      if (text !== undefined) return JSON.parse(text);
      const arrived = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      const end = await Promise.race([arrived, closed]);
      if (end !== undefined && this.#inbox.length === 0) throw new Error(end);
    }
  }

  /** What came and was not asked for yet. */
  get unread(): readonly string[] {
    return this.#inbox;
  }

  /** Settles when the relay has handled all that was sent before. */
  async settle(): Promise<void> {
    this.socket.ping();
    await once(this.socket, "pong");
  }

  /** Says something and returns the answer, after the work that a hot relay asks for. */
  async ask(message: ClientMessage): Promise<unknown> {
    this.say(message);
    const answer = (await this.next()) as RelayMessage;
    if (answer.type !== "challenge" || !("otc" in message)) return answer;
    const work = await doWork(answer, message.otc, { pause: turn });
    return this.ask({ type: "work", answer: work as number });
  }
}

/** Two devices that found each other under `code`. */
export async function pair(url: string, code = "482916", from?: readonly [string, string]) {
  const target = await Device.open(url, from?.[0]);
  await target.ask({ type: "listen", otc: code });
  const controller = await Device.open(url, from?.[1]);
  await controller.ask({ type: "connect", otc: code });
  await target.next();
  return { target, controller };
}

/** All that a pair does: each side says something to the other, then the controller is done. */
export async function expectWholeTalk({ target, controller }: { target: Device; controller: Device }) {
  controller.say({ type: "data", payload: Uint8Array.of(0, 250, 255) });
  expect(await target.next()).toEqual({ type: "data", payload: "APr/" });
  target.say({ type: "data", payload: new Uint8Array() });
  expect(await controller.next()).toEqual({ type: "data", payload: "" });
  controller.say({ type: "done" });
  expect(await target.next()).toEqual({ type: "done" });
  for (const { closed } of [target, controller]) expect(await closed).toEqual({ code: 1000, reason: "done" });
}

/** The HTTP status and body with which the relay refuses to open a socket. */
export async function refusedUpgrade(url: string, options: ClientOptions = {}) {
  const socket = new WebSocket(url, options);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return {
    status: response.statusCode as number,
    headers: response.headers,
    body: JSON.parse(body) as unknown,
  };
}
