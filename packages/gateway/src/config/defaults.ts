/** What is taken for members that a configuration leaves out: settings are filled in from it, and the schema names it. */
export const defaults = {
  listen: { host: "127.0.0.1", port: 8088 },
  admin: { host: "127.0.0.1", port: 9090 },
  trustProxy: 0,
  devices: { requireHostBinding: false, clockSkewSeconds: 30 },
  tokens: { use: "once", requireRequestBinding: false, replayScope: "gateway" },
  authority: { maxStaleSeconds: 3600 },
  context: { headers: "authmesh", token: { issuer: "urn:authmesh:gateway" } },
  caseSensitive: false,
  spoolBytes: 1_073_741_824,
  maxConnections: 20_000,
  maxWebSockets: 10_000,
  drainSeconds: 10,
  upstream: {
    host: "caller",
    maxConnections: 256,
    connectTimeoutSeconds: 5,
    health: { intervalSeconds: 5, timeoutSeconds: 2, failures: 2 },
  },
  route: {
    public: false,
    forwardProof: false,
    context: ["headers"],
    webSocket: false,
    limits: { bodyBytes: 1_048_576, memoryBytes: 65_536 },
    timeouts: { bodySeconds: 30, answerSeconds: 60, idleSeconds: 60 },
  },
} as const;
