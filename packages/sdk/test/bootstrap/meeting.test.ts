import { type BootstrapToken, PrivateKey } from "@authmesh/core";
import { bootstrapIdentity, type OpenIdentity } from "@authmesh/keystore";
import { type AwaitTargetOptions, awaitTarget, meetController, provision } from "@authmesh/sdk/bootstrap";
import { beforeEach, describe, expect, it } from "vitest";
import { entriesOf, env, newMachine, summaryOf } from "../pairing/machine.js";
import { deferred, startRelay } from "../pairing/two-people.js";

let relay: Awaited<ReturnType<typeof startRelay>>;
let laptop: OpenIdentity;
let server: OpenIdentity;
beforeEach(async () => {
  [relay, laptop, server] = await Promise.all([
    startRelay(),
    newMachine("Dev Laptop"),
    newMachine("prod-api"),
  ]);
});

const make = (more = {}) => provision({ identity: laptop, name: "prod", relay: relay.url, ...more });
const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => "no error",
    (error: { code: string }) => error.code,
  );

/** Uses a token on a machine that has an identity, without a network. */
const use = ({ dir }: OpenIdentity, token: string) => bootstrapIdentity({ dir, env, token, hosts: [] });

/** Tries until the controller's code is known at the relay. */
async function meetSoon(token: BootstrapToken, identity: OpenIdentity): Promise<void> {
  await expect.poll(() => codeOf(meetController(token, { identity })), { interval: 10 }).toBe("no error");
}

function wait(text: string, more: AwaitTargetOptions = {}) {
  return awaitTarget(text, { identity: laptop, ...more });
}

describe("a controller that waits", () => {
  it("learns the machine that used its token, and lists it as a target", async () => {
    const { text, token } = await make();
    const waiting = wait(text);
    await use(server, text);
    await meetSoon(token, server);
    const { deviceId } = server.publicKey;
    expect(await waiting).toEqual({ deviceId, friendlyName: "prod-api", updated: false });
    expect(await entriesOf(laptop)).toMatchObject([
      { deviceId, role: "target", status: "active", addedBy: "bootstrap", bound: true },
    ]);
    expect(await summaryOf(server)).toEqual(["Dev Laptop controller active"]);
  });

  it("is met by the first that knows the token alone", async () => {
    const { text, token } = await make();
    const waiting = wait(text);
    const other = await newMachine("another");
    const ends = await Promise.all(
      [server, other].map(async (identity) => {
        await expect
          .poll(() => codeOf(meetController(token, { identity })), { interval: 20 })
          .toMatch(/no error|otc_not_found|peer_already_connected/);
        return codeOf(meetController(token, { identity }));
      }),
    );
    expect(ends).not.toContain("no error");
    await waiting;
    expect(await entriesOf(laptop)).toHaveLength(1);
  });

  it("goes on waiting after somebody came who broke the handshake off", async () => {
    const { text, token } = await make();
    const troubled = deferred<string>();
    const waiting = wait(text, { onTrouble: ({ code }) => troubled.resolve(code) });
    const guess = {
      ...token,
      controller: { ...token.controller, publicKey: PrivateKey.generate().publicKey },
    };
    await expect
      .poll(() => codeOf(meetController(guess, { identity: server })), { interval: 10 })
      .toBe("pairing_identity_invalid");
    expect(await troubled.promise).toBe("pairing_peer_left");
    expect(await entriesOf(laptop)).toEqual([]);
    await meetSoon(token, server);
    expect((await waiting).friendlyName).toBe("prod-api");
  });

  it("may come when the token was used long ago", async () => {
    const { text, token } = await make();
    await use(server, text);
    expect(await codeOf(meetController(token, { identity: server }))).toBe("otc_not_found");
    const waiting = wait(text);
    await meetSoon(token, server);
    await waiting;
  });

  it("goes on when the relay is down, and can be stopped", async () => {
    const { text } = await make({ relay: "ws://127.0.0.1:9/ws" });
    const stop = new AbortController();
    const waiting = wait(text, { signal: stop.signal, onTrouble: () => stop.abort() });
    expect(await codeOf(waiting)).toBe("pairing_cancelled");
  });

  it("waits for no token that another machine made, and for none that has expired", async () => {
    const { text } = await make();
    expect(await codeOf(awaitTarget(text, { identity: server }))).toBe("bootstrap_token_invalid");
    expect(await codeOf(wait(text, { now: () => Date.now() + 3_601_000 }))).toBe("bootstrap_token_expired");
    expect(await codeOf(wait("eyJ"))).toBe("bootstrap_token_invalid");
  });
});
