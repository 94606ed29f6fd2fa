/**
 * Many that follow one feed of an authority which everybody may read, each by the rule of every follower. Its settings are
 * the first argument, in JSON. It tells how many are connected, whenever that changes.
 */
import { followFeed } from "@authmesh/oath/feed";
import { Agent, fetch } from "undici";

const { authority, feed, addresses, followersEach } = JSON.parse(process.argv[2]);

let connected = 0;
const counts = {
  connected: () => connected++,
  disconnected: () => connected--,
};
const observe = ({ type }) => counts[type]?.();
let told;
setInterval(() => {
  if (connected !== told) console.log(JSON.stringify({ connected }));
  told = connected;
}, 100);

for (let i = 1; i <= addresses; i++) {
  // An authority has a bound for each address, and a system one for the ports of an address.
  const dispatcher = new Agent({ localAddress: `127.0.1.${i}`, bodyTimeout: 0 });
  const own = (url, init) => fetch(url, { ...init, dispatcher });
  const followers = Array.from({ length: followersEach }, () =>
    followFeed({ authority, feed, fetch: own, observe }),
  );
  // One process is no ten thousand machines: it begins with those of one address after the other.
  await Promise.all(followers.map((follower) => follower.ready()));
}
