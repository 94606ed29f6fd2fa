import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientAddress } from "../src/client-address.js";

describe("the address limits count by", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7", "192.0.2.0/24"],
    ["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"],
    ["::ffff:c000:0207", "192.0.2.7", "192.0.2.0/24"],
    ["0:0:0:0:0:FFFF:192.0.2.7", "192.0.2.7", "192.0.2.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"],
    ["2001:DB8:1:2::9", "2001:db8:1:2::/64", "2001:db8:1::/48"],
    ["2001:db8:1:3::9", "2001:db8:1:3::/64", "2001:db8:1::/48"],
    ["2001:db8::192.0.2.7", "2001:db8:0:0::/64", "2001:db8:0::/48"],
    ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64", "64:ff9b:0::/48"],
    ["fe80::1%eth0", "fe80:0:0:0::/64", "fe80:0:0::/48"],
    ["::1", "0:0:0:0::/64", "0:0:0::/48"],
    ["::", "0:0:0:0::/64", "0:0:0::/48"],
    ["1::", "1:0:0:0::/64", "1:0:0::/48"],
    [undefined, "unknown", "unknown"],
    ["/run/relay.sock", "unknown", "unknown"],
  ])("of the socket %s is %s, and logs show %s", (socket, key, network) => {
    expect(clientAddress(socket, "198.51.100.1", 0)).toEqual({ key, network });
  });

  test.each([
    [1, "198.51.100.1", "198.51.100.1"],
    [1, "203.0.113.66, 198.51.100.1", "198.51.100.1"],
    [2, "203.0.113.66, 198.51.100.1, 192.0.2.9", "198.51.100.1"],
    [1, "203.0.113.66,198.51.100.1", "198.51.100.1"],
    [1, " \t198.51.100.1 ", "198.51.100.1"],
    [1, "198.51.100.1:4711", "198.51.100.1"],
    [1, "[2001:db8:1:2::3]:4711", "2001:db8:1:2::/64"],
    [1, "[2001:db8:1:2::3]", "2001:db8:1:2::/64"],
    [1, "2001:db8:1:2::3", "2001:db8:1:2::/64"],
    [1, "::ffff:198.51.100.1", "198.51.100.1"],
    // Fewer entries than proxies: what there is, the client wrote.
    [2, "198.51.100.1", "192.0.2.7"],
    [3, "203.0.113.66, 198.51.100.1", "192.0.2.7"],
    [1, undefined, "192.0.2.7"],
    // Not an address.
    [1, "", "192.0.2.7"],
    [1, "unknown", "192.0.2.7"],
    [1, "198.51.100.1, ", "192.0.2.7"],
    [1, "198.51.100.256", "192.0.2.7"],
    [1, "198.51.100.01", "192.0.2.7"],
    [1, "[198.51.100.1", "192.0.2.7"],
    // No proxy is trusted.
    [0, "198.51.100.1", "192.0.2.7"],
  ])("behind %i proxies that report %j is %s", (trustedProxies, forwardedFor, key) => {
    expect(clientAddress("192.0.2.7", forwardedFor, trustedProxies).key).toBe(key);
  });

  test("is the same for every spelling of an IPv6 address and for all of its /64", () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const half = fc.tuple(group, group, group, group);
    const spell = (groups: readonly number[]) =>
      groups.map((value) => value.toString(16).padStart(4, "0")).join(":");
    fc.assert(
      fc.property(half, half, half, (network, host, otherHost) => {
        fc.pre(network.some((value) => value !== 0));
        const full = spell([...network, ...host]);
        const shortest = new URL(`http://[${full}]`).hostname.slice(1, -1);
        const { key } = clientAddress(full, undefined, 0);
        expect(clientAddress(shortest.toUpperCase(), undefined, 0).key).toBe(key);
        expect(clientAddress(spell([...network, ...otherHost]), undefined, 0).key).toBe(key);
      }),
    );
  });

  test("is found whatever the header says", () => {
    const entry = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 4 }), (entries, trusted) => {
        const { key } = clientAddress("192.0.2.7", entries.join(","), trusted);
        expect(isIP(key.replace(/\/64$/, ""))).not.toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });
});
