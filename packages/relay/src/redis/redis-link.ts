import { AmeshError, outageReason } from "@authmesh/core";
import type { Connections } from "./open-connections.js";
import { actAfter } from "./patience.js";
import type { Reply } from "./reply.js";
import type { Script } from "./scripts.js";

export interface LinkEvents {
  /** Asks Redis something, by `run`: whether it is there. */
  probe(): Promise<unknown>;
  /** Redis is there, for the first time or again. */
  up(): void;
  /** @param reason says nothing of addresses, codes and names */
  down(reason: string): void;
  /** Redis does not know all that this instance told it. */
  forgot(): void;
  /** Something was published on this instance's channel. */
  heard(text: string): void;
  /** How much is used of what protects six-digit and 22-character codes, in eighths. */
  heat(short: number, long: number): void;
}

/** Milliseconds that Redis has for an answer, from the last word that it said. */
export const answerMs = 1_000;

/** What may wait for answers at a time; what is beyond is refused. */
const most = { commands: 10_000, bytes: 33_554_432 };
const shareOfPayloads = 1 / 2;

/**
 * This instance's way to Redis: a connection for commands and one that listens. When one of them is lost, or an answer
 * does not come while nothing else comes, Redis counts as gone, until both are there and the probe was answered.
 */
export class RedisLink {
  readonly #connections: Connections;
  readonly #channel: () => string;
  readonly #events: LinkEvents;
  #state: "new" | "up" | "down" = "new";
  #listening = false;
  #closed = false;
  #probing: Promise<void> | undefined;
  #commands = 0;
  #bytes = 0;
  /** How much came over each connection. */
  readonly #heard = { commands: 0, subscriber: 0 };
  /** How often Redis heard from this instance, as it counts. */
  #told = 0;

  /** @param channel this instance's, asked for whenever a connection begins to listen */
  constructor(connections: Connections, channel: () => string, events: LinkEvents) {
    this.#connections = connections;
    this.#channel = channel;
    this.#events = events;
    const { commands, subscriber } = connections;
    for (const connection of [commands, subscriber]) {
      let trouble: unknown;
      connection.on("error", (error) => {
        trouble = error;
      });
      connection.on("close", () => this.#fall(trouble ? outageReason(trouble) : "the connection was lost"));
    }
    commands.on("ready", () => this.probe());
    subscriber.on("ready", () => this.#subscribe());
    subscriber.on("close", () => {
      this.#listening = false;
    });
    subscriber.on("message", (_channel, text) => {
      this.#heard.subscriber++;
      if (this.isUp) events.heard(text);
    });
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /**
   * Has a script carried out.
   *
   * @throws AmeshError `relay_store_unavailable`; the script may have been carried out, or be so yet
   */
  async ask(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    if (!this.isUp) throw new AmeshError("relay_store_unavailable");
    return this.run(script, keys, args);
  }

  /** As `ask`, and also while Redis counts as gone. */
  async run({ sha, source }: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return this.#note(await this.#send("EVALSHA", [sha, ...rest]));
    } catch (error) {
      if (!(error instanceof UnknownScript)) throw error;
      // A script that comes after what closes would say that the instance lives.
      if (this.#closed) throw new AmeshError("relay_store_unavailable");
      return this.#note(await this.#send("EVAL", [source, ...rest]));
    }
  }

  /**
   * Tells another instance.
   *
   * @param isPayload is refused when half of what may wait does, so that there is room for how sessions begin and end
   * @returns whether anybody heard it
   * @throws AmeshError `relay_store_unavailable`
   */
  async publish(channel: string, text: string, isPayload: boolean): Promise<boolean> {
    if (!this.isUp) throw new AmeshError("relay_store_unavailable");
    return Number(await this.#send("PUBLISH", [channel, text], isPayload ? shareOfPayloads : 1)) > 0;
  }

  /** Looks whether Redis is there; one look at a time. Never rejects. */
  probe(): Promise<void> {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  /** Ends what is sent, if Redis answers, and forgets this instance's key. */
  async close(key: string): Promise<void> {
    const wasUp = this.isUp;
    this.#state = "down";
    this.#closed = true;
    if (wasUp) await this.#send("DEL", [key]).catch(() => {});
    for (const connection of Object.values(this.#connections)) connection.disconnect();
  }

  async #probe(): Promise<void> {
    // They become ready in any order.
    if (!this.#listening || this.#connections.commands.status !== "ready") return;
    try {
      await Promise.all([
        this.#events.probe(),
        this.#inTime("subscriber", this.#connections.subscriber.ping()),
      ]);
    } catch {
      return;
    }
    if (this.isUp || !this.#listening) return;
    this.#state = "up";
    this.#events.up();
  }

  async #subscribe(): Promise<void> {
    const { subscriber } = this.#connections;
    try {
      await this.#inTime("subscriber", subscriber.subscribe(this.#channel()));
      this.#listening = true;
      await this.probe();
    } catch {
      subscriber.disconnect(true);
    }
  }

  async #send(command: string, args: string[], share = 1): Promise<unknown> {
    const bytes = args.reduce((sum, { length }) => sum + length, 0);
    if (this.#commands >= most.commands * share || this.#bytes + bytes > most.bytes * share)
      throw new AmeshError("relay_store_unavailable");
    this.#commands++;
    this.#bytes += bytes;
    const answer = this.#connections.commands.call(command, args).finally(() => {
      this.#commands--;
      this.#bytes -= bytes;
    });
    return this.#inTime("commands", answer);
  }

  async #inTime(over: keyof Connections, answer: Promise<unknown>): Promise<unknown> {
    let stop = (): void => {};
    const silence = new Promise<never>((_, reject) => {
      const listen = (heard: number): void => {
        stop = actAfter(answerMs, () => {
          // Answers come in their order: behind others this one may be on its way.
          if (this.#heard[over] !== heard) listen(this.#heard[over]);
          else reject(new AmeshError("relay_store_unavailable", "no answer in time"));
        });
      };
      listen(this.#heard[over]);
    });
    try {
      return await Promise.race([answer.finally(() => this.#heard[over]++), silence]);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) throw new UnknownScript();
      this.#fall(outageReason(error));
      throw new AmeshError("relay_store_unavailable");
    } finally {
      stop();
    }
  }

  /** Both connections go: what was said over one that stays is for the instance that this one no longer is. */
  #fall(reason: string): void {
    if (this.#state === "down") return;
    const wasUp = this.isUp;
    this.#state = "down";
    this.#events.down(reason);
    if (!wasUp) return;
    this.#listening = false;
    this.#told = 0;
    for (const connection of Object.values(this.#connections)) connection.disconnect(true);
  }

  #note(answer: unknown): Reply {
    const [told, short, long, word, first, second] = answer as readonly unknown[];
    const forgot = Number(told) <= this.#told;
    this.#told = Number(told);
    this.#events.heat(Number(short), Number(long));
    if (forgot) this.#events.forgot();
    return { word: String(word), first, second };
  }
}

/** Redis does not have a script, and takes it with its source. */
class UnknownScript extends Error {}
