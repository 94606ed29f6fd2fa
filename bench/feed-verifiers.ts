/**
 * Verifiers in a process of their own, for trust-feed.js: each follows a feed with a copy of its own, or polls a list,
 * and tells when it begins to refuse each device.
 */
import { setTimeout as pause } from "node:timers/promises";
import { PrivateKey } from "@authmesh/core";
import { type FollowedFeed, followFeed } from "@authmesh/oath/feed";
import { moment } from "./compare.js";
import { account, clientOf } from "./enrolling-authority.js";

/** Begins what the verifiers of a process do. */
export interface Beginning {
  /** How they hear: the feed, pushed or polled where that is refused; or a JSON list, asked for every second. */
  readonly by: "push" | "poll" | "list";
  readonly url: string;
  /** Of the feed key. */
  readonly pin: string;
  /** In the order in which they will be revoked. */
  readonly devices: readonly { readonly id: string; readonly key: string }[];
}

export type Told =
  | { readonly keys: readonly string[] }
  | { readonly ready: true }
  /** `at` in milliseconds since the epoch. */
  | { readonly refused: string; readonly at: number };

/** So often polling failed to be pushed, each pause is as long as it becomes. */
const settledAfter = 5;
const listEveryMs = 1000;

if (process.send !== undefined) verify(process.send.bind(process));

function verify(tell: (told: Told) => void): void {
  const keys = Array.from({ length: Number(process.argv[2]) }, () => PrivateKey.generate());
  tell({ keys: keys.map(({ publicKey }) => publicKey.base64) });
  process.once("disconnect", () => process.exit());
  process.once("message", async (beginning: Beginning) => {
    await Promise.all(keys.map((key) => (beginning.by === "list" ? pollList : follow)(beginning, key)));
    tell({ ready: true });
  });

  /** @param refuses whether a device is refused by what the verifier knows now */
  function teller(
    { devices }: Beginning,
    refuses: (device: Beginning["devices"][number]) => boolean,
  ): () => void {
    let next = 0;
    return () => {
      for (let device = devices[next]; device !== undefined && refuses(device); device = devices[++next])
        tell({ refused: device.id, at: moment() });
    };
  }

  function follow(beginning: Beginning, key: PrivateKey): Promise<void> {
    const { url, pin, by } = beginning;
    let failures = 0;
    return new Promise((resolve) => {
      const feed: FollowedFeed = followFeed({
        authority: { url, key: pin },
        feed: account,
        fetch: clientOf(key).fetch,
        observe: ({ type }) => {
          if (type === "failed") failures++;
          if (by === "push" ? type === "connected" : failures === settledAfter) resolve();
        },
      });
      feed.onChange(teller(beginning, (device) => feed.state.find(device.key) === undefined));
    });
  }

  async function pollList(beginning: Beginning): Promise<void> {
    let revoked = new Set<string>();
    const look = teller(beginning, ({ id }) => revoked.has(id));
    const poll = async () => {
      revoked = new Set((await (await fetch(beginning.url)).json()) as string[]);
      look();
    };
    await pause(Math.random() * listEveryMs); // a fleet does not come at one time
    await poll();
    setInterval(poll, listEveryMs);
  }
}
