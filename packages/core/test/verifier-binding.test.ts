import { describe, expect, it } from "vitest";
import { crypto } from "#crypto";
import { formatAuthMeshHeader } from "../src/authorization-header.js";
import { failure, toBase64Url, type VerifierOptions } from "../src/index.js";
import { signableRequest } from "../src/signable.js";
import {
  type Call,
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  send,
  verifierWith,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

const unbound = () => new DevicesInMemory(laptop.entry({ bound: false }));
const forHost = (wire: Wire, host: string) => withHeaders(wire, { host: [host] });
const audienceOfTheSeal = (...audience: string[]) => {
  const trust = new DevicesInMemory(laptop.entry());
  trust.audience = audience;
  return trust;
};

describe("a request captured at one server", () => {
  // Signed for api.example.com, played to a second server that trusts the same device.
  const capture = () => send();

  it("is refused by a second server that knows its own name, with its original Host header or another", async () => {
    const verify = verifierWith({ audience: "billing.example.com" });
    expect(outcome(await verify(await capture()))).toBe("host_mismatch");
    expect(outcome(await verify(forHost(await capture(), "billing.example.com")))).toBe("host_mismatch");
    expect(outcome(await verify(withHeaders(await capture(), { host: [] })))).toBe("host_mismatch");
  });

  it("is accepted by a server that takes its name from Host: why the audience is configuration", async () => {
    expect(outcome(await verifierWith({ audience: undefined })(await capture()))).toBe("allowed");
    expect(
      outcome(await verifierWith({ audience: undefined })(forHost(await capture(), "billing.example.com"))),
    ).toBe("host_mismatch");
  });

  it("is refused by a server whose sealed state knows its name", async () => {
    const sealed = verifierWith({ audience: undefined, trust: audienceOfTheSeal("billing.example.com") });
    expect(outcome(await sealed(await capture()))).toBe("host_mismatch");
    const own = verifierWith({ audience: undefined, trust: audienceOfTheSeal("api.example.com") });
    expect(outcome(await own(await capture()))).toBe("allowed");
  });

  it("is judged by the option where option and sealed state differ", async () => {
    const trust = audienceOfTheSeal("api.example.com");
    expect(outcome(await verifierWith({ audience: "billing.example.com", trust })(await capture()))).toBe(
      "host_mismatch",
    );
  });

  it("is refused on another port and accepted in another spelling of the host", async () => {
    expect(outcome(await verifierWith({ audience: "api.example.com:8443" })(await capture()))).toBe(
      "host_mismatch",
    );
    for (const audience of ["API.example.com", "api.example.com."]) {
      expect(outcome(await verifierWith({ audience })(forHost(await capture(), "Api.Example.Com.")))).toBe(
        "allowed",
      );
    }
  });
});

describe("a server of several names", () => {
  const audience = ["api.example.com", "www.example.com", "localhost:3000"];

  it.each(audience)("accepts what was signed for %s and came for it", async (host) => {
    expect(outcome(await verifierWith({ audience })(await send({ url: `http://${host}/` })))).toBe("allowed");
  });

  it("refuses what was signed for one of them and came for another", async () => {
    const wire = forHost(await send(), "www.example.com");
    const decision = await verifierWith({ audience })(wire);
    expect(decision).toMatchObject({
      failure: {
        code: "host_mismatch",
        detail: 'signed for the host "api.example.com", but came for "www.example.com"',
      },
    });
  });

  it("accepts what was signed for one of them behind a proxy that sends its own Host, or none", async () => {
    const verify = verifierWith({ audience });
    expect(outcome(await verify(forHost(await send(), "10.0.0.7:8080")))).toBe("allowed");
    expect(outcome(await verify(withHeaders(await send(), { host: [] })))).toBe("allowed");
    expect(outcome(await verify(forHost(await send(), "not a host")))).toBe("allowed");
  });
});

describe("X-Forwarded-Host", () => {
  const audience = ["api.example.com", "www.example.com"];
  const forwarded = async (...hosts: string[]) => withHeaders(await send(), { "x-forwarded-host": hosts });

  it("chooses among the audience when the proxy is trusted", async () => {
    const verify = verifierWith({ audience, trustProxy: true });
    expect(outcome(await verify(forHost(await forwarded("api.example.com"), "www.example.com")))).toBe(
      "allowed",
    );
    expect(outcome(await verify(await forwarded("www.example.com")))).toBe("host_mismatch");
  });

  it("counts for nothing when the proxy is not trusted", async () => {
    const verify = verifierWith({ audience });
    expect(outcome(await verify(await forwarded("www.example.com")))).toBe("allowed");
    expect(outcome(await verify(forHost(await forwarded("api.example.com"), "www.example.com")))).toBe(
      "host_mismatch",
    );
  });

  it("counts for nothing when it is not in the audience", async () => {
    const verify = verifierWith({ audience: "billing.example.com", trustProxy: true });
    expect(outcome(await verify(await forwarded("api.example.com")))).toBe("host_mismatch");
  });

  it.each(["www.example.com:81", "www.example.com, api.example.com", "WWW.example.com."])(
    "narrows the audience as a framework would read it: %s",
    async (value) => {
      const verify = verifierWith({ audience, trustProxy: true });
      expect(outcome(await verify(await forwarded(value)))).toBe("host_mismatch");
    },
  );

  it("leaves the Host what it says where there is no audience", async () => {
    const verify = verifierWith({ audience: undefined, trustProxy: true });
    expect(outcome(await verify(await forwarded("api.example.com")))).toBe("allowed");
    expect(outcome(await verify(await forwarded("www.example.com")))).toBe("allowed");
  });

  it("names nobody where there is no audience", async () => {
    const verify = verifierWith({ audience: undefined, trustProxy: true });
    const wire = forHost(await forwarded("api.example.com"), "billing.example.com");
    expect(outcome(await verify(wire))).toBe("host_mismatch");
  });
});

describe("a device that does not always bind", () => {
  /** As a caller sends it that knows nothing of the binding. */
  async function withRandomNonce(): Promise<Wire> {
    const wire = await send({ method: "GET", body: undefined });
    const nonce = toBase64Url(crypto.randomBytes(16));
    const message = signableRequest("GET", wire.target, String(noon), nonce, crypto.sha256Hex(""));
    const signature = toBase64Url(await laptop.sign(message));
    const authorization = formatAuthMeshHeader(laptop.publicKey.base64, String(noon), nonce, signature);
    return withHeaders(wire, { authorization: [authorization] });
  }

  it("is accepted with a warning that says what differs", async () => {
    const decision = await verifierWith({ trust: unbound() })(await withRandomNonce());
    expect(decision).toMatchObject({
      allowed: true,
      warnings: [
        expect.stringContaining("accepted without a binding to this host: the nonce is not bound to any of"),
      ],
    });
  });

  it("is refused once its entry says that it binds", async () => {
    expect(outcome(await verifierWith()(await withRandomNonce()))).toBe("host_mismatch");
  });

  it("is accepted without a warning when it did bind", async () => {
    expect(await verifierWith({ trust: unbound() })(await send())).toMatchObject({
      allowed: true,
      warnings: [],
    });
  });

  it("is refused where a binding is required", async () => {
    const options = { trust: unbound(), audience: "billing.example.com", requireHostBinding: true };
    expect(outcome(await verifierWith(options)(await send()))).toBe("host_mismatch");
  });
});

describe("a binding required without an audience", () => {
  it("lets nobody in, not even a request that fits its own Host", async () => {
    for (const trust of [new DevicesInMemory(laptop.entry()), unbound()]) {
      const decision = await verifierWith({ audience: undefined, trust, requireHostBinding: true })(
        await send(),
      );
      expect(decision).toMatchObject({ failure: { code: "verifier_not_ready", status: 500 } });
    }
  });

  it("is satisfied by the audience of the sealed state", async () => {
    const options = {
      audience: undefined,
      trust: audienceOfTheSeal("api.example.com"),
      requireHostBinding: true,
    };
    expect(outcome(await verifierWith(options)(await send()))).toBe("allowed");
  });
});

describe("the log says what differs", () => {
  it.each<[string, string, Call, (wire: Wire) => Wire, Partial<VerifierOptions>]>([
    [
      "the host, when Host is where it was signed for",
      'signed for the host "api.example.com", which is not in the audience (billing.example.com)',
      {},
      (w) => w,
      { audience: "billing.example.com" },
    ],
    [
      "the host of a request without a body",
      'signed for the host "api.example.com", which is not in the audience (billing.example.com)',
      { method: "GET", body: undefined },
      (w) => w,
      { audience: "billing.example.com" },
    ],
    [
      "one host of several for another",
      'signed for the host "api.example.com", but came for "www.example.com"',
      { method: "GET", body: undefined },
      (w) => forHost(w, "www.example.com"),
      { audience: ["www.example.com", "api.example.com"] },
    ],
    [
      "the content type",
      'signed with another content type than "text/plain"',
      {},
      (w) => withHeaders(w, { "content-type": ["text/plain"] }),
      {},
    ],
    [
      "the content type of a body that was sent without one",
      'signed with another content type than "text/plain"',
      { contentType: undefined },
      (w) => withHeaders(w, { "content-type": ["text/plain"] }),
      {},
    ],
    [
      "the content encoding",
      'signed with another content encoding than "identity"',
      {},
      (w) => withHeaders(w, { "content-encoding": ["identity"] }),
      {},
    ],
    [
      "all that was tried, when nothing fits",
      'the nonce is not bound to any of the hosts billing.example.com with content type "application/json" and content encoding ""; the request came with Host "www.example.com"',
      {},
      (w) => forHost(w, "www.example.com"),
      { audience: "billing.example.com" },
    ],
  ])("%s", async (_, detail, call, change, options) => {
    const decision = await verifierWith(options)(change(await send(call)));
    expect(decision).toMatchObject({ failure: { code: "host_mismatch", detail } });
    expect(decision).toMatchObject({ failure: { fix: failure("host_mismatch").fix } });
  });
});
