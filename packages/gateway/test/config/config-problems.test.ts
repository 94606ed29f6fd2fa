import { execFileSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settingsOfFile } from "../../src/config/read-config.js";
import { folderOf, having, keyOf, problemsOfText, routing, smallest, tokens } from "./written-config.js";

/** A configuration with one route, which has these members beside path and upstream. */
const route = (members: string) =>
  routing(`  - path: /api/*\n    upstream: http://127.0.0.1:8080\n    ${members}\n`);
const pair = (a: string, b: string) =>
  routing(`  - { ${a}, upstream: 'http://h' }\n  - { ${b}, upstream: 'http://h' }\n`);

describe("a configuration is refused, and the place is named,", () => {
  it.each<[what: string, text: string, ...problems: string[]]>([
    [
      "for a misspelt member",
      having("listn: { port: 1 }"),
      "5:1: listn is not a member there is. Did you mean listen?",
    ],
    [
      "for everything at once, in the order of the text",
      `${smallest}  - { path: /a, upstream: nowhere, scope: orders }\n  - { path: b }\nlistn: 1\naudit: /nowhere/audit.jsonl\n`,
      "5:27: routes[1].upstream is no upstream: nowhere. There are none.",
      '5:43: routes[1].scope asks for what nobody is granted: it is NAME:r or NAME:w, such as "orders:r".',
      '6:13: routes[2].path is not a path such as "/health" or "/api/*": "b".',
      "7:1: listn is not a member there is. Did you mean listen?",
      "8:8: audit cannot be used: /nowhere cannot be read (ENOENT).",
    ],
    [
      "for bodies that nothing holds",
      `${route("limits: { bodyBytes: 2000 }")}spoolBytes: 1000\n`,
      "5:13: routes[0].limits lets in bodies above spoolBytes, where they wait to be verified.",
    ],
    ["without routes", "version: 1\n", "1:1: It lacks the member routes."],
    ["with no route", "version: 1\nroutes: []\n", "2:9: routes is an empty list."],
    [
      "for a port beyond the last",
      having("listen: { port: 65536 }"),
      "5:17: listen.port is 65536, not a whole number from 0 to 65535.",
    ],
    [
      "for a port that is a text",
      having('listen: { port: "80" }'),
      "5:17: listen.port is a string, not a number.",
    ],
    [
      "for a fraction of proxies",
      having("trustProxy: 0.5"),
      "5:13: trustProxy is 0.5, not a whole number from 0 to 16.",
    ],
    [
      "for a flag that is a text",
      having('caseSensitive: "no"'),
      "5:16: caseSensitive is a string, not true or false.",
    ],
    ["for an admin that is true", having("admin: true"), "5:8: admin is a boolean, not an object."],
    [
      "for admin on the port of callers",
      having("admin: { port: 8088 }"),
      "5:16: admin.port is the port that callers connect to: 8088.",
    ],
    [
      "for an audience that is no host",
      having("audience: https://api"),
      '5:11: audience is not a host such as "api.example.com" or "localhost:3000": "https://api".',
    ],
    [
      "for an audience with the default port",
      having("audience: api:443"),
      "5:11: audience names the default port, which callers leave out.",
    ],
    [
      "for an issuer that is not https",
      having(tokens.replace("https:", "http:")),
      '5:20: tokens.issuers is no issuer: "http://issuer.example.com" is neither https nor on loopback, or it names a user.',
    ],
    [
      "for tokens without a policy",
      having("tokens: { issuers: https://i, audience: a }"),
      "5:9: tokens lacks the member policy.",
    ],
    [
      "for revokers without Redis",
      having("devices: { revokers: [am_cOixWcOdI8-pLh4P] }"),
      "5:22: devices.revokers means nothing without redis, where the fleet's revocations are.",
    ],
    ["for Redis nowhere", having("redis: {}"), "5:8: redis is an empty object."],
    [
      "for a password in it",
      having('redis: { url: "redis://:secret@redis" }'),
      "5:15: redis.url has a password, which does not belong in a configuration: put the URL in a file, and name that as urlFile.",
    ],
    [
      "for two places of Redis",
      having('redis: { url: "redis://redis", urlFile: x }'),
      "5:41: redis.urlFile stands beside url; one of them is enough.",
    ],
    [
      "for client certificates without authorities",
      having("listen: { tls: { cert: a, key: b, requireClientCert: true } }"),
      "5:16: listen.tls cannot be used: a cannot be read (ENOENT).",
      "5:54: listen.tls.requireClientCert means nothing without clientCa.",
    ],
    [
      "for a name of an upstream with a space",
      having('upstreams: { "a b": { urls: "http://h" } }'),
      '5:14: upstreams.a b is not a name of letters, digits, `_`, `.` and `-`, at most 64: "a b".',
    ],
    [
      "for an upstream without servers",
      having("upstreams: { a: {} }"),
      "5:17: upstreams.a lacks the member urls.",
    ],
    [
      "for a server with a path",
      having('upstreams: { a: { urls: "http://h/api" } }'),
      '5:25: upstreams.a.urls has a path; it is scheme, host and port, such as "http://127.0.0.1:8080".',
    ],
    [
      "for a server with credentials",
      having('upstreams: { a: { urls: ["http://u:p@h"] } }'),
      '5:26: upstreams.a.urls[0] has credentials; it is scheme, host and port, such as "http://127.0.0.1:8080".',
    ],
    [
      "for a server with a query",
      having('upstreams: { a: { urls: "http://h?" } }'),
      '5:25: upstreams.a.urls has a query; it is scheme, host and port, such as "http://127.0.0.1:8080".',
    ],
    [
      "for a server of another scheme",
      having('upstreams: { a: { urls: "unix:/x" } }'),
      '5:25: upstreams.a.urls is not a URL such as "http://127.0.0.1:8080": "unix:/x".',
    ],
    [
      "for a health check without a path",
      having('upstreams: { a: { urls: "http://h", health: {} } }'),
      "5:45: upstreams.a.health lacks the member path.",
    ],
    [
      "for a route to a server with a path",
      routing("  - { path: /*, upstream: 'http://h/x' }\n"),
      '3:27: routes[0].upstream has a path; it is scheme, host and port, such as "http://127.0.0.1:8080".',
    ],
    [
      "for a route to an unknown upstream",
      routing("  - { path: /*, upstream: b }\n", "upstreams: { a: { urls: 'http://h' } }\n"),
      "3:27: routes[0].upstream is no upstream: b. There are: a.",
    ],
    [
      "for a route to an upstream where there are none",
      routing("  - { path: /*, upstream: b }\n"),
      "3:27: routes[0].upstream is no upstream: b. There are none.",
    ],
    [
      "for a route without a slash",
      routing("  - { path: api, upstream: 'http://h' }\n"),
      '3:13: routes[0].path is not a path such as "/health" or "/api/*": "api".',
    ],
    [
      "for a path with dots",
      routing("  - { path: /a/../b, upstream: 'http://h' }\n"),
      "3:13: routes[0].path is matched by no request: a path has no dot segments, `//`, `;`, or needless escapes.",
    ],
    [
      "for a star within a path",
      routing("  - { path: /a*, upstream: 'http://h' }\n"),
      "3:13: routes[0].path has a `*` elsewhere than in a `/*` at its end.",
    ],
    [
      "for a host with a port",
      route("hosts: [a, 'b:80']"),
      '5:16: routes[0].hosts[1] is not a host without a port, such as "api.example.com": "b:80".',
    ],
    [
      "for a method in lower case",
      route("methods: get"),
      '5:14: routes[0].methods is not the name of a method in upper case: "get".',
    ],
    [
      "for a method that is never read",
      route("methods: [GET, TRACE]"),
      "5:14: routes[0].methods names a method that is never read: CONNECT, TRACE, TRACK.",
    ],
    [
      "for a proof there is not",
      route("accept: tokens"),
      '5:13: routes[0].accept is "tokens", not device or http-signature or token. Did you mean token?',
    ],
    [
      "for tokens that are not configured",
      route("accept: [device, token]"),
      "5:13: routes[0].accept names token, and no tokens are configured: give `tokens` with issuers, audience and policy.",
    ],
    [
      "for an action where no token is accepted",
      route("action: a"),
      "5:13: routes[0].action is asked of tokens alone, and this route accepts none.",
    ],
    [
      "for a policy where no token is accepted",
      route("policy: none"),
      "5:13: routes[0].policy is asked of tokens alone, and this route accepts none.",
    ],
    [
      "for a public route that requires something",
      route("public: true\n    scope: orders:r\n    action: a\n    accept: device"),
      "6:12: routes[0].scope means nothing on a route that is public: nothing is verified there.",
      "7:13: routes[0].action means nothing on a route that is public: nothing is verified there.",
      "8:13: routes[0].accept means nothing on a route that is public: nothing is verified there.",
    ],
    [
      "for WebSockets without GET",
      route("webSocket: true\n    methods: POST"),
      "5:16: routes[0].webSocket needs the method GET, which `methods` lacks.",
    ],
    [
      "for a prefix that the path lacks",
      route("stripPrefix: /ap"),
      "5:18: routes[0].stripPrefix is not what the route's path begins with.",
    ],
    [
      "for a prefix that ends in a slash",
      route("stripPrefix: /api/"),
      '5:18: routes[0].stripPrefix is not the beginning of a path, such as "/api": "/api/".',
    ],
    [
      "for a body that waits an hour too long",
      route("timeouts: { bodySeconds: 7200 }"),
      "5:30: routes[0].timeouts.bodySeconds is 7200, not a whole number from 1 to 3600.",
    ],
    [
      "for a negative size",
      route("limits: { bodyBytes: -1 }"),
      "5:26: routes[0].limits.bodyBytes is -1, not a whole number from 0 to 9007199254740991.",
    ],
    [
      "for several at once",
      routing("  - { path: /a, upstream: b }\n  - { path: /b }\n"),
      "3:27: routes[0].upstream is no upstream: b. There are none.",
      "4:5: routes[1] lacks the member upstream. Only `gateway authz` does without: `check --authz`.",
    ],
    [
      "for what is no YAML",
      "version: [1",
      "1:12: It is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ].",
    ],
  ])("%s", async (_, text, ...problems) => {
    expect(await problemsOfText(text)).toEqual(problems.map((problem) => `gateway.yaml:${problem}`));
  });

  it.each<[what: string, files: Record<string, string>, members: string, problem: string]>([
    [
      "a certificate that is none",
      { "c.pem": "x", "k.pem": "y" },
      "listen: { tls: { cert: c.pem, key: k.pem } }",
      "5:16: listen.tls cannot be used: error:0480006C:PEM routines::no start line.",
    ],
    [
      "authorities that are none",
      { "ca.pem": "x" },
      "upstreams: { a: { urls: 'http://h', ca: ca.pem } }",
      "5:41: upstreams.a.ca cannot be used: there is no certificate in it.",
    ],
    [
      "a policy that is not there",
      {},
      tokens.replace("none", "p.yaml"),
      '5:74: tokens.policy cannot be used: "p.yaml" cannot be read: ENOENT.',
    ],
    [
      "a policy that is wrong",
      { "p.yaml": "version: 1\nruls: []\n" },
      tokens.replace("none", "p.yaml"),
      "5:74: tokens.policy cannot be used: p.yaml:2:1: ruls is not a member there is. Did you mean rules? And 1 more.",
    ],
    [
      "a key of another curve",
      { "k.pem": keyOf("P-384") },
      "context: { token: { keyFile: k.pem } }",
      "5:30: context.token.keyFile cannot be used: it is no P-256 key.",
    ],
    [
      "a file of Redis that is not there",
      {},
      "redis: { urlFile: r }",
      "5:19: redis.urlFile cannot be used: urlFile names r, which does not exist.",
    ],
    [
      "a file of Redis with something else",
      { r: "secret" },
      "redis: { urlFile: r }",
      "5:19: redis.urlFile is no URL of Redis: redis://USER:PASSWORD@HOST:6379 or rediss://…",
    ],
  ])("that names %s", async (_, files, members, problem) => {
    expect(await problemsOfText(having(members), { files })).toEqual([`gateway.yaml:${problem}`]);
  });

  it("that names a pipe or a device in the place of a file", async () => {
    const pipe = join(folderOf({}), "pipe");
    execFileSync("mkfifo", [pipe]);
    const members = `listen: { tls: { cert: ${pipe}, key: ${pipe} } }\nupstreams: { a: { urls: 'http://h', ca: /dev/zero } }`;
    expect(await problemsOfText(having(members))).toEqual([
      "gateway.yaml:5:16: listen.tls cannot be used: pipe is not a file.",
      "gateway.yaml:6:41: upstreams.a.ca cannot be used: /dev/zero is not a file.",
    ]);
  });

  it("that names a certificate and a key of another type", async () => {
    const folder = folderOf({ "k.pem": keyOf("P-256") });
    const rsa = ["-newkey", "rsa:2048", "-nodes", "-keyout", join(folder, "other.pem")];
    const made = ["req", "-x509", ...rsa, "-subj", "/CN=x", "-out", join(folder, "c.pem")];
    execFileSync("openssl", made, { stdio: "ignore" });
    const members = `listen: { tls: { cert: ${folder}/c.pem, key: ${folder}/k.pem } }`;
    expect(await problemsOfText(having(members))).toEqual([
      "gateway.yaml:5:16: listen.tls cannot be used: the key is not that of the certificate.",
    ]);
  });

  it.each([
    ["/a/*", "/a/*", "every method, every host, /a/*"],
    ["/a", "/A/", "every method, every host, /a"],
    ["/", "/", "every method, every host, /"],
    ["/%C3%A9", "/%C3%89", "every method, every host, /é"],
  ])("that has the routes %s and %s", async (a, b, what) => {
    expect(await problemsOfText(pair(`path: ${a}`, `path: ${b}`))).toEqual([
      `gateway.yaml:4:5: routes[1] would be chosen for the same requests as routes[0]: ${what}.`,
    ]);
  });

  it("where two routes share one of their hosts and methods", async () => {
    const routes = pair(
      "path: /a, hosts: [x, Y], methods: [GET, PUT]",
      "path: /a, hosts: y., methods: [PUT]",
    );
    expect(await problemsOfText(routes)).toEqual([
      "gateway.yaml:4:5: routes[1] would be chosen for the same requests as routes[0]: PUT, y, /a.",
    ]);
  });

  it.each([
    ["path: /a", "path: /a/*"],
    ["path: /a", "path: /a, hosts: x"],
    ["path: /a", "path: /a, methods: GET"],
    ["path: /a, hosts: x", "path: /a, hosts: y"],
    ["path: /a, methods: GET", "path: /a, methods: PUT"],
    ["path: /", "path: /*"],
  ])("and not where one of { %s } and { %s } is chosen", async (a, b) => {
    expect(await problemsOfText(pair(a, b))).toEqual([]);
  });

  it("and not for capital letters where case counts", async () => {
    expect(await problemsOfText(`${pair("path: /a", "path: /A")}caseSensitive: true\n`)).toEqual([]);
  });

  it.each([
    ["gateway.toml", "gateway.toml: its name does not end in .json, .yaml, .yml."],
    ["gateway.json", "gateway.json: It is not JSON."],
  ])("when it is called %s", async (name, problem) => {
    expect(await problemsOfText(smallest, { name })).toEqual([problem]);
  });

  it("and an error of the catalogue, whatever it is", async () => {
    const piece = fc.constantFrom(
      "version: 1\n",
      "routes:\n",
      "  - ",
      "path: /*\n",
      "    ",
      "upstream: http://h\n",
      "upstream: a:b\n",
      "upstream: 'http://['\n",
      "hosts: '['\n",
      "path: /%zz\n",
      "path: /%C3\n",
      "stripPrefix: /%\n",
      "audience: 'a:b:c'\n",
      "upstreams: { a: { urls: 'http://%' } }\n",
      "tokens: {}\n",
      "admin: false\n",
      "redis: { url: 'redis://[' }\n",
      "scope: x\n",
      "methods: GET\n",
      "{",
      "}",
      "[",
      "]",
      ":",
      "\u0000",
      "null",
    );
    const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(""));
    const folder = folderOf({});
    const options = { env: {}, role: "proxy" } as const;
    await fc.assert(
      fc.asyncProperty(fc.oneof(text, fc.string({ unit: "binary" })), async (text) => {
        const file = { path: join(folder, "gateway.yaml"), content: Buffer.from(text) };
        await settingsOfFile(file, options).catch((error: unknown) =>
          expect(error).toMatchObject({ code: "gateway_config_invalid" }),
        );
      }),
      { numRuns: 400 },
    );
  });
});
