import { AmeshError, type JsonObject, type JsonValue, utf8 } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EventStreamReader,
  FeedKeys,
  readFeedRotation,
  readSnapshot,
  signFeedRotation,
} from "../../src/feed/index.js";
import { FeedAuthority, newFeedSigner } from "../fixtures/feed-authority.js";
import { feedDevice } from "../fixtures/feed-devices.js";
import { ManualClock } from "../fixtures/http-server.js";

const malformed = expect.objectContaining({ code: "feed_malformed" });
const keyChanged = expect.objectContaining({ code: "feed_key_changed" });

async function authority(...devices: ReturnType<typeof feedDevice>[]) {
  const clock = new ManualClock();
  const made = new FeedAuthority("@acme", clock.now);
  if (devices.length > 0) await made.change(...devices.map(({ added }) => added));
  return Object.assign(made, { clock });
}

const published = ({ signer, first, rotations }: FeedAuthority): JsonObject => ({
  key: { ...signer.publicJwk },
  first: { ...first.publicJwk },
  rotations,
});

const keysOf = (of: FeedAuthority): FeedKeys => {
  const keys = new FeedKeys(of.iss, of.first.publicJwk.kid);
  keys.learn(published(of));
  return keys;
};

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = (of: FeedAuthority, text: string, size = 7) =>
  readSnapshot(pieces(utf8(text), size), (jws) => keysOf(of).read(jws));

describe("a snapshot", () => {
  it("is read in whatever pieces it comes", async () => {
    const devices = [feedDevice("a/1"), feedDevice("a/2")];
    const from = await authority(...devices);
    const text = await from.snapshot();
    for (const size of [1, 64, 1 << 20]) {
      const { snapshot, state } = await read(from, text, size);
      expect(snapshot.entries).toBe(2);
      for (const { key, id } of devices) expect(state.find(key)?.deviceId).toBe(id);
    }
  });

  it("is refused if its lines are not those that were signed", async () => {
    const device = feedDevice("a/1");
    const from = await authority(device, feedDevice("a/2"));
    const text = await from.snapshot();
    const [statement = "", one, two] = text.split("\n");
    const wrong = [
      text.replace("a/2", "a/3"),
      `${statement}\n${one}\n`,
      `${text}${two}\n`,
      `${statement}\n${two}\n${one}\n`,
      text.slice(0, -1),
      `${await from.head()}\n`,
      "",
      "\n",
      await from.snapshot({ entries: 500_001 }),
      await from.snapshot({ body: new Uint8Array(32) }),
      `${statement}\n${" ".repeat(70_000)}`,
    ];
    for (const each of wrong) await expect(read(from, each, 4096)).rejects.toEqual(malformed);
  });

  it("whatever its bytes are, is refused as malformed or for its key", async () => {
    const from = await authority(feedDevice());
    const text = utf8(await from.snapshot());
    const keys = keysOf(from);
    const flipped = fc
      .tuple(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, by]) => text.map((byte, index) => (index === at ? byte ^ by : byte)));
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, fc.uint8Array({ maxLength: 500 })), async (bytes) => {
        const error = await readSnapshot(pieces(bytes, 100), (jws) => keys.read(jws)).catch((e) => e);
        expect(error).toBeInstanceOf(AmeshError);
        expect(["feed_malformed", "feed_key_changed"]).toContain(error.code);
      }),
    );
  });
});

describe("the keys of a feed", () => {
  it("are followed from the one that is pinned over each rotation", async () => {
    const from = await authority();
    const old = await from.head();
    const first = from.key;
    await from.rotate();
    const second = from.key;
    await from.rotate();
    const keys = keysOf(from);
    expect(keys.anchor).toEqual({ key: from.signer.publicJwk, seq: 2, through: [first, second] });
    expect(keys.read(await from.head()).kind).toBe("head");
    expect(keys.read(old).kind).toBe("head");
  });

  it("tell of the keys before the one that is pinned, as far as both signed for it", async () => {
    const from = await authority();
    const first = from.key;
    await from.rotate();
    const second = from.key;
    const anchorOf = (answer: JsonValue) => {
      const keys = new FeedKeys(from.iss, second);
      keys.learn(answer);
      return keys.anchor;
    };
    expect(anchorOf(published(from))).toMatchObject({ key: { kid: second }, seq: 1, through: [first] });
    const thief = newFeedSigner();
    const at = { iss: from.iss, notBefore: 0, seq: 1 };
    const [head = "", payload = "", signature = ""] = (await signFeedRotation(thief, from.signer, at)).split(
      ".",
    );
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
    const proof = Buffer.alloc(64).toString("base64url");
    const unproven = Buffer.from(JSON.stringify({ ...claims, proof })).toString("base64url");
    const input = `${head}.${unproven}`;
    const signed = Buffer.from(await thief.sign(Buffer.from(input) as never)).toString("base64url");
    for (const forged of [`${input}.${signed}`, `${head}.${payload}.${"A".repeat(signature.length)}`])
      expect(
        anchorOf({ ...published(from), first: { ...thief.publicJwk }, rotations: [forged] }),
      ).toMatchObject({ seq: 0, through: [] });
  });

  it("are not those that were rotated out, once that happened", async () => {
    const from = await authority();
    const old = from.signer;
    await from.rotate();
    from.clock.sleep(1);
    const keys = keysOf(from);
    const next = from.signer;
    from.signer = old;
    const late = await from.head();
    from.signer = next;
    expect(() => keys.read(late)).toThrow(keyChanged);
  });

  it("are refused where no rotation leads to them", async () => {
    const from = await authority();
    const keys = keysOf(from);
    from.signer = newFeedSigner();
    const foreign = published(from);
    expect(() => keys.learn(foreign)).toThrow(keyChanged);
    expect(() => new FeedKeys(from.iss, newFeedSigner().publicJwk.kid).learn(foreign)).toThrow(keyChanged);
    const head = await from.head();
    expect(() => keys.read(head)).toThrow(keyChanged);
  });

  it("are refused where a rotation is of another authority, or left one out", async () => {
    const from = await authority();
    const before = keysOf(from);
    from.iss = "https://other.example";
    await from.rotate();
    const other = published(from);
    expect(() => before.learn(other)).toThrow(keyChanged);
    const gap = await authority();
    await gap.rotate();
    const anchored = new FeedKeys(gap.iss, { key: gap.signer.publicJwk, seq: 5, through: [] });
    await gap.rotate();
    const { rotations } = gap;
    expect(() => anchored.learn({ ...published(gap), rotations: [rotations[1] ?? ""] })).toThrow(keyChanged);
  });

  it("cannot be led on by a key that was left behind", async () => {
    const from = await authority();
    const stolen = from.signer;
    await from.rotate();
    const { anchor } = keysOf(from);
    const evil = new FeedAuthority("@acme", from.now);
    evil.signer = stolen;
    await evil.rotate();
    const forged = { ...published(evil), first: { ...stolen.publicJwk } };
    expect(() => new FeedKeys(from.iss, anchor).learn(forged)).toThrow(keyChanged);
  });

  it("are the first that are seen, where none is pinned", async () => {
    const from = await authority();
    const keys = new FeedKeys(from.iss, undefined);
    expect(keys.learn(published(from))).toBe(true);
    expect(keys.learn(published(from))).toBe(false);
    expect(keys.anchor?.key.kid).toBe(from.key);
  });

  it("whatever is published, are read, or refused by a code", async () => {
    const from = await authority();
    await from.rotate();
    const [jws = ""] = from.rotations;
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.nat(jws.length - 1).map((at) => `${jws.slice(0, at)}${jws.slice(at + 1)}`),
    );
    fc.assert(
      fc.property(text, (each) => {
        expect(() => readFeedRotation(each)).toThrow(malformed);
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => new FeedKeys(from.iss, undefined).learn(value as JsonObject)).toThrow(AmeshError);
      }),
    );
  });
});

describe("an event stream", () => {
  const all = (text: string, size: number) => {
    const reader = new EventStreamReader();
    const bytes = utf8(text);
    const events = [];
    for (let at = 0; at < bytes.length; at += size)
      events.push(...reader.push(bytes.subarray(at, at + size)));
    return events;
  };

  it("is read in whatever pieces it comes, with comments, unknown fields and either line end", () => {
    const text =
      "\uFEFF: hi\n\nevent: head\nid: 1.2\ndata: a\n\nretry: 5\r\ndata:b\r\ndata\r\n\r\nevent:x\n\ndata: \u{1F600}\n\ndata: cut";
    const expected = [
      { event: "head", data: "a", id: "1.2" },
      { event: "message", data: "b\n", id: "1.2" },
      { event: "message", data: "\u{1F600}", id: "1.2" },
    ];
    for (const size of [1, 3, 1000]) expect(all(text, size)).toEqual(expected);
  });

  it("is refused when a line or an event has no end", () => {
    const reader = new EventStreamReader();
    const much = new Uint8Array(1 << 20).fill(0x61);
    expect(() => {
      for (let i = 0; i < 4; i++) reader.push(much);
    }).toThrow(malformed);
    expect(() => all(`data: ${"a".repeat(2000)}\n`.repeat(2000), 1 << 16)).toThrow(malformed);
    expect(() => all("data\n".repeat(2000), 1 << 16)).toThrow(malformed);
  });

  it("whatever its bytes are, gives events or is refused", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const reader = new EventStreamReader();
        try {
          for (const chunk of chunks) for (const { event } of reader.push(chunk)) expect(event).not.toBe("");
        } catch (error) {
          expect(error).toEqual(malformed);
        }
      }),
    );
  });
});
