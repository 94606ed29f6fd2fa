/**
 * Ten thousand machines in one process: for each address one that follows a feed of an authority which everybody may read,
 * and many that ask for the same, in the same order and with the same pauses, but verify nothing, since ten thousand times
 * the work of verifying is no load of the authority. Its settings are the first argument, in JSON. It tells how many
 * are connected, whenever that changes.
 */
import { once } from "node:events";
import { Agent, get } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { followFeed } from "@authmesh/oath/feed";
import { Agent as Dispatcher, fetch } from "undici";

const { authority, feed, addresses, followersEach } = JSON.parse(process.argv[2]);

let connected = 0;
const counts = {
  connected: () => connected++,
  disconnected: () => connected--,
};
let told;
setInterval(() => {
  if (connected !== told) console.log(JSON.stringify({ connected }));
  told = connected;
}, 100);

/** @param localAddress an authority has a bound for each address, and a system one for the ports of an address */
async function follow(localAddress) {
  const dispatcher = new Dispatcher({ localAddress, bodyTimeout: 0 });
  const follower = followFeed({
    authority,
    feed,
    fetch: (url, init) => fetch(url, { ...init, dispatcher }),
    observe: ({ type }) => counts[type]?.(),
  });
  await follower.ready();
  return follower.status.position;
}

class Listener {
  #agent;
  #position;

  constructor(localAddress, { epoch, number }) {
    this.#agent = new Agent({ localAddress, keepAlive: true });
    this.#position = `${epoch}.${number}`;
  }

  async listen() {
    for (let failures = 0; ; ) {
      const heard = await this.#attempt();
      failures = heard ? 0 : failures + 1;
      await pause(Math.min(30_000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2));
    }
  }

  async #attempt() {
    let heard = false;
    try {
      (await this.#ask(`deltas?after=${this.#position}`)).resume();
      const events = await this.#ask("events", {
        accept: "text/event-stream",
        "last-event-id": this.#position,
      });
      for await (const text of events.setEncoding("latin1")) {
        if (!heard) counts.connected();
        heard = true;
        this.#position = [...text.matchAll(/^id: (\d+\.\d+)\n/gm)].at(-1)?.[1] ?? this.#position;
      }
    } catch {
      // Whatever it is: it is tried again.
    }
    if (heard) counts.disconnected();
    return heard;
  }

  async #ask(rest, headers = {}) {
    const request = get(`${authority.url}/v1/feeds/${feed}/${rest}`, { agent: this.#agent, headers });
    const timer = setTimeout(() => request.destroy(), 10_000);
    const [answer] = await once(request, "response").finally(() => clearTimeout(timer));
    if (answer.statusCode === 200) return answer;
    answer.resume();
    throw new Error(`${answer.statusCode}`);
  }
}

for (let i = 1; i <= addresses; i++) {
  const localAddress = `127.0.1.${i}`;
  const position = await follow(localAddress);
  for (let j = 1; j < followersEach; j++) void new Listener(localAddress, position).listen();
}
