import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AmeshError, Decision } from "@authmesh/core";
import { addDevice, createIdentity, openIdentity, revokeDevice } from "@authmesh/keystore";
import { createClient, type TrustStore, type VerifyOptions } from "@authmesh/sdk";
import { protectUpgrade } from "@authmesh/sdk/node";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { rawExchange, readAnswer } from "./fixtures/raw-http.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Greets each caller by its name, and says goodbye when it ends. */
async function greeter(allowList: TrustStore, options: VerifyOptions = {}) {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((_request, response) => response.end("no socket"));
  const reasons: unknown[] = [];
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listener = protectUpgrade(
    (request, socket, head, ended) => {
      sockets.handleUpgrade(request, socket, head, (ws) => {
        ended.addEventListener("abort", () => {
          reasons.push((ended.reason as AmeshError).code);
          ws.close(1008, "no longer trusted");
        });
        ws.on("message", (data) => ws.send(`heard ${data}`));
        ws.send(`hello ${request.authMesh.friendlyName}`);
      });
    },
    { allowList, audience: host, logger: silent, ...options },
  );
  server.on("upgrade", listener);
  closing.push(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  return { host, url: `ws://${host}/live?room=1`, reasons, sockets };
}

function withResolvers<Value>() {
  let resolve: (value: Value) => void = () => {};
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Connects, and gives the first message. */
async function connect(url: string, headers?: Record<string, string>) {
  const ws = new WebSocket(url, { headers: headers ?? (await client.headers(url)) });
  closing.push(() => ws.terminate());
  const ended = new Promise<number>((resolve) => ws.on("close", resolve));
  const first = await new Promise<string>((resolve, reject) => {
    ws.on("message", (data) => resolve(String(data)));
    ws.on("error", reject);
  });
  return { ws, first, ended };
}

test("a device that is revoked while it does not read is cut off, and nothing more of it is handed over", async () => {
  const trust = new ChangingTrust().trust(caller) as ChangingTrust;
  const { host, port, received, closed } = await pusher(trust);
  const socket = connectTcp(port, "127.0.0.1");
  closing.push(() => socket.destroy());
  const headers = {
    ...(await client.headers(`ws://${host}/`)),
    Host: host,
    Connection: "Upgrade",
    Upgrade: "raw",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET / HTTP/1.1\r\n${lines.join("")}\r\n`);
  socket.write("before");
  socket.pause(); // what the server pushes fills every buffer on the way
  await received("before");
  trust.revoked.add(caller.publicKey.deviceId);
  trust.tell();
  const seen = received("after").then(() => "handed over");
  socket.on("error", () => {}); // the server may reset it under the pen
  const late = setInterval(() => socket.write("after"), 10);
  closing.push(() => clearInterval(late));
  expect(await Promise.race([seen, closed.then(() => "closed")])).toBe("closed");
});

class ChangingTrust extends MemoryTrust {
  #listeners = new Set<() => void>();
  tell(): void {
    for (const listener of this.#listeners) listener();
  }
  override onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** A protocol of its own over the upgraded socket: it pushes without end and keeps what it is told. */
async function pusher(allowList: TrustStore) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  let text = "";
  const waiting = new Set<() => void>();
  const { promise: closed, resolve } = withResolvers<void>();
  const take = (data: Buffer) => {
    text += data;
    for (const check of waiting) check();
  };
  const listener = protectUpgrade(
    (_request, socket, head) => {
      take(head);
      socket.on("close", resolve);
      socket.on("error", () => {});
      socket.on("data", take);
      socket.write(Buffer.alloc(64 << 20));
    },
    { allowList, audience: host, logger: silent },
  );
  server.on("upgrade", (request, socket, head) => {
    listener(request, socket, head);
  });
  closing.push(() => void server.close());
  const received = (word: string) =>
    new Promise<void>((found) => {
      const check = () => {
        if (text.includes(word)) found();
      };
      waiting.add(check);
      check();
    });
  return { host, port, received, closed };
}

describe("a WebSocket's handshake", () => {
  test("of a trusted device gets through, and messages flow", async () => {
    const { url } = await greeter(new MemoryTrust().trust(caller));
    const { ws, first } = await connect(url);
    expect(first).toBe("hello caller");
    const answer = new Promise((resolve) => ws.on("message", (data) => resolve(String(data))));
    ws.send("you");
    expect(await answer).toBe("heard you");
  });

  test("that is refused gets an HTTP answer, and the connection ends", async () => {
    const { host } = await greeter(new MemoryTrust());
    const proof = (await client.headers(`ws://${host}/live`))["Authorization"];
    const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    const head = [
      "GET /live HTTP/1.1",
      `Host: ${host}`,
      ...upgrade,
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    const unproven = readAnswer(await rawExchange(host, `${head.join("\r\n")}\r\n\r\n`));
    expect([unproven.status, unproven.body]).toEqual([400, '{"error":"missing_header"}']);
    const unknown = readAnswer(
      await rawExchange(host, `${[...head, `Authorization: ${proof}`].join("\r\n")}\r\n\r\n`),
    );
    expect([unknown.status, unknown.body]).toEqual([401, '{"error":"unauthorized"}']);
    expect(unknown.head).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n[\s\S]*authmesh-decision: \S+/i);
    expect(unknown.head).toMatch(/^connection: close$/im);
  });

  test("is good once, and for its own path", async () => {
    const { url, host } = await greeter(new MemoryTrust().trust(caller));
    const headers = await client.headers(url);
    await connect(url, headers);
    await expect(connect(url, headers)).rejects.toThrow("401");
    const elsewhere = await client.headers(`ws://${host}/other`);
    await expect(connect(url, elsewhere)).rejects.toThrow("401");
  });

  test("whose caller has left by the time it is verified leaves nothing behind", async () => {
    const asked = withResolvers<void>();
    const fresh = withResolvers<boolean>();
    const decided = withResolvers<Decision>();
    const trust = new MemoryTrust().trust(caller);
    const checkAndRecord = () => {
      asked.resolve();
      return fresh.promise;
    };
    const { url, sockets } = await greeter(trust, {
      nonceStore: { checkAndRecord },
      onDecision: decided.resolve,
    });
    const ws = new WebSocket(url, { headers: await client.headers(url) });
    ws.on("error", () => {});
    await asked.promise;
    ws.terminate();
    fresh.resolve(true);
    expect((await decided.promise).allowed).toBe(true);
    await expect.poll(() => [trust.listeners.size, sockets.clients.size]).toEqual([0, 0]);
  });
});

describe("a WebSocket that was let in is closed", () => {
  const open = async (options: VerifyOptions = {}) => {
    const trust = new MemoryTrust().trust(caller, { scopes: { live: "rw" } });
    const server = await greeter(trust, options);
    return { trust, ...server, ...(await connect(server.url)) };
  };

  test("when its device is revoked", async () => {
    const { trust, ended, reasons } = await open();
    trust.revoked.add(caller.publicKey.deviceId);
    trust.changed();
    expect([await ended, reasons]).toEqual([1008, ["device_revoked"]]);
    expect(trust.listeners.size).toBe(0);
  });

  test("when its entry is removed, without a word of the store, within a second", async () => {
    const { trust, ended, reasons } = await open();
    trust.devices.clear();
    expect([await ended, reasons]).toEqual([1008, ["device_unknown"]]);
  });

  test("when its entry expires", async () => {
    const { trust, ended, reasons } = await open();
    trust.trust(caller, { expiresAt: 1 });
    trust.changed();
    expect([await ended, reasons]).toEqual([1008, ["entry_expired"]]);
  });

  test("when it lacks the scope that was asked for", async () => {
    const { trust, ended, reasons } = await open({ scope: "live:w" });
    trust.trust(caller, { scopes: { live: "r" } });
    trust.changed();
    expect([await ended, reasons]).toEqual([1008, ["scope_missing"]]);
  });

  test("and stays open while other devices come and go; nobody is watched once it is closed", async () => {
    const { trust, ws, reasons } = await open();
    trust.revoked.add("am_somebody_else");
    trust.changed();
    const answer = new Promise((resolve) => ws.on("message", (data) => resolve(String(data))));
    ws.send("still here");
    expect([await answer, reasons, trust.listeners.size]).toEqual(["heard still here", [], 1]);
    ws.close();
    await expect.poll(() => trust.listeners.size).toBe(0);
  });

  test("by `amesh revoke` in another process, though nobody sends a request", async () => {
    const dir = mkdtempSync(join(tmpdir(), "amesh-upgrade-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
    const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
    await createIdentity({ dir, friendlyName: "server", argon2, env });
    const openList = async () => (await openIdentity({ dir, env })).openAllowList();
    const changing = await openList();
    const { publicKey } = caller;
    await changing.update((draft) =>
      addDevice(draft, {
        publicKey,
        friendlyName: "caller",
        role: "controller",
        status: "active",
        addedBy: "manual",
        bound: true,
        now: 1_800_000_000,
      }),
    );
    const { url, reasons } = await greeter(await openList());
    const { ended } = await connect(url);
    await changing.update((draft) =>
      revokeDevice(draft, { deviceId: publicKey.deviceId, now: 1_800_000_001 }),
    );
    expect([await ended, reasons]).toEqual([1008, ["device_revoked"]]);
  });
});
