import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  having,
  keyOf,
  problemsOfText,
  routing,
  settingsOfText,
  smallest,
  tokens,
} from "./written-config.js";

const allowAll = "version: 1\nrules: [{ name: all, effect: allow, match: all }]\n";

describe("the settings of a configuration", () => {
  it("have every default", async () => {
    const { folder: _, ...settings } = await settingsOfText(smallest);
    expect(settings).toEqual({
      listen: { host: "127.0.0.1", port: 8088, tls: undefined },
      admin: { host: "127.0.0.1", port: 9090 },
      verification: {
        audience: undefined,
        identity: undefined,
        requireHostBinding: false,
        clockSkewSeconds: 30,
        revokers: undefined,
        tokens: undefined,
        authority: undefined,
        redisUrl: undefined,
        audit: undefined,
      },
      context: {
        prefixes: ["X-AuthMesh-"],
        token: { issuer: "urn:authmesh:gateway", audience: undefined, keyFile: undefined },
      },
      trustProxy: 0,
      spoolBytes: 1_073_741_824,
      maxConnections: 20_000,
      maxWebSockets: 10_000,
      drainSeconds: 10,
      upstreams: [
        {
          name: "http://127.0.0.1:8080",
          urls: [new URL("http://127.0.0.1:8080")],
          host: "caller",
          maxConnections: 256,
          connectTimeoutMs: 5000,
          health: undefined,
          ca: undefined,
        },
      ],
      routes: [
        {
          name: "/*",
          hosts: [],
          path: "",
          below: true,
          caseSensitive: false,
          methods: [],
          accept: new Set(["device", "http-signature"]),
          public: false,
          scopes: [],
          actions: [],
          policy: undefined,
          upstream: "http://127.0.0.1:8080",
          stripPrefix: "",
          forwardProof: false,
          contextHeaders: true,
          contextToken: false,
          webSocket: false,
          bodyBytes: 1_048_576,
          memoryBytes: 65_536,
          bodyTimeoutMs: 30_000,
          answerTimeoutMs: 60_000,
          idleTimeoutMs: 60_000,
        },
      ],
    });
  });

  it("take what a configuration says, with files from its own folder", async () => {
    const { folder, ...settings } = await settingsOfText(
      `
version: 1
$schema: https://authmesh.dev/schema/gateway-1.json
listen: { host: 0.0.0.0, port: 443 }
admin: false
audience: [API.example.com, "localhost:3000"]
identity: identity
trustProxy: 2
devices: { requireHostBinding: true, clockSkewSeconds: 5, revokers: [am_cOixWcOdI8-pLh4P] }
tokens:
  issuers: https://issuer.example.com
  audience: orders
  policy: policy.yaml
authority: { url: https://auth.example.com, account: "@acme" }
redis: { urlFile: redis-url }
audit: audit.jsonl
context: { headers: both, token: { audience: behind, keyFile: key.pem } }
caseSensitive: true
drainSeconds: 0.5
upstreams:
  orders:
    urls: [http://10.0.0.1:8080, "http://[::1]:8080"]
    host: upstream
    connectTimeoutSeconds: 0.25
    health: { path: "/health?deep=1", intervalSeconds: 1 }
routes:
  - path: /Caf%C3%A9/*
    hosts: api.example.com
    methods: [GET, POST]
    accept: token
    scope: [orders:r, orders:w]
    action: orders.write
    policy: policy.yaml
    upstream: orders
    stripPrefix: /Caf%C3%A9
    forwardProof: true
    context: [headers, token]
    webSocket: true
    limits: { bodyBytes: 10 }
    timeouts: { idleSeconds: 0, bodySeconds: 1 }
  - { path: /health, public: true, upstream: orders }
`,
      {
        files: {
          "policy.yaml": allowAll,
          "redis-url": "rediss://gateway:secret@redis:6379\n",
          "key.pem": keyOf("P-256"),
        },
      },
    );
    expect(settings).toMatchObject({
      listen: { host: "0.0.0.0", port: 443 },
      admin: undefined,
      verification: {
        audience: ["api.example.com", "localhost:3000"],
        identity: join(folder, "identity"),
        requireHostBinding: true,
        clockSkewSeconds: 5,
        revokers: ["am_cOixWcOdI8-pLh4P"],
        tokens: {
          issuers: "https://issuer.example.com",
          audience: "orders",
          policy: join(folder, "policy.yaml"),
          use: "once",
          requireRequestBinding: false,
          replayScope: "gateway",
        },
        authority: { url: "https://auth.example.com", account: "@acme", maxStaleSeconds: 3600 },
        redisUrl: "rediss://gateway:secret@redis:6379",
        audit: join(folder, "audit.jsonl"),
      },
      context: {
        prefixes: ["X-AuthMesh-", "X-OathMesh-"],
        token: { issuer: "urn:authmesh:gateway", audience: "behind", keyFile: join(folder, "key.pem") },
      },
      trustProxy: 2,
      drainSeconds: 0.5,
      upstreams: [
        {
          name: "orders",
          urls: [new URL("http://10.0.0.1:8080"), new URL("http://[::1]:8080")],
          host: "upstream",
          connectTimeoutMs: 250,
          health: { path: "/health?deep=1", intervalMs: 1000, timeoutMs: 2000, failures: 2 },
        },
      ],
    });
    expect(settings.upstreams).toHaveLength(1);
    expect(settings.routes).toEqual([
      {
        name: "/Caf%C3%A9/*",
        hosts: ["api.example.com"],
        path: "/Café",
        below: true,
        caseSensitive: true,
        methods: ["GET", "POST"],
        accept: new Set(["token"]),
        public: false,
        scopes: ["orders:r", "orders:w"],
        actions: ["orders.write"],
        policy: join(folder, "policy.yaml"),
        upstream: "orders",
        stripPrefix: "/Caf%C3%A9",
        forwardProof: true,
        contextHeaders: true,
        contextToken: true,
        webSocket: true,
        bodyBytes: 10,
        memoryBytes: 65_536,
        bodyTimeoutMs: 1000,
        answerTimeoutMs: 60_000,
        idleTimeoutMs: 0,
      },
      expect.objectContaining({ path: "/health", below: false, public: true, accept: new Set() }),
    ]);
  });

  it("accept every proof that is configured where a route names none", async () => {
    const [route] = (await settingsOfText(having(tokens))).routes;
    expect(route?.accept).toEqual(new Set(["device", "http-signature", "token"]));
  });

  it("have one upstream for routes that name the same URL", async () => {
    const { upstreams } = await settingsOfText(
      routing("  - { path: /a, upstream: 'http://h:1' }\n  - { path: /b, upstream: 'http://h:1' }\n"),
    );
    expect(upstreams.map(({ name }) => name)).toEqual(["http://h:1"]);
  });

  it("take the URL of Redis from the environment where the configuration has none", async () => {
    const env = { AMESH_REDIS_URL: "redis://:secret@r:1" };
    expect((await settingsOfText(smallest, { env })).verification.redisUrl).toBe("redis://:secret@r:1");
    const { verification } = await settingsOfText(having('redis: { url: "redis://other:2" }'), { env });
    expect(verification.redisUrl).toBe("redis://other:2");
  });

  it("need no upstreams for external authorization", async () => {
    const text = routing("  - path: /*\n");
    expect(await problemsOfText(text, { role: "authz" })).toEqual([]);
    expect(await problemsOfText(text)).toEqual([
      "gateway.yaml:3:5: routes[0] lacks the member upstream. Only `gateway authz` does without: `check --authz`.",
    ]);
  });

  it("mean the same in JSON", async () => {
    const json = { version: 1, routes: [{ path: "/*", upstream: "http://127.0.0.1:8080" }] };
    const { folder: _, ...ofJson } = await settingsOfText(JSON.stringify(json), { name: "gateway.json" });
    const { folder: __, ...ofYaml } = await settingsOfText(smallest);
    expect(ofJson).toEqual(ofYaml);
  });
});
