import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "../scripts/run.js";

/** Runs a module as somebody would who sits in packages/core, against what was built. */
async function runInCore(module: string): Promise<string> {
  const node = promisify(execFile);
  const { stdout } = await node(process.execPath, ["--input-type=module", "--eval", module], {
    cwd: join(root, "packages/core"),
  });
  return stdout;
}

test("the guide's example of signing and verifying runs in packages/core", async () => {
  const output = await runInCore(`
    import { p256 } from '@noble/curves/nist.js';
    import { signMessage, verifyMessage, buildCanonicalString } from './dist/index.js';

    const priv = p256.utils.randomSecretKey();
    const pub = p256.getPublicKey(priv, true);

    const canonical = buildCanonicalString(
      'POST', '/api/orders?b=2&a=1', '1743160800', 'myNonce', '{"amount":100}'
    );
    console.log(canonical);

    const msg = new TextEncoder().encode(canonical);
    const sig = signMessage(priv, msg);
    console.log('Valid:', verifyMessage(sig, msg, pub));
    console.log('Tampered:', verifyMessage(sig, new TextEncoder().encode('wrong'), pub));
  `);
  expect(output.split("\n")).toEqual([
    "AMv1",
    "POST",
    "/api/orders?a=1&b=2",
    "1743160800",
    "myNonce",
    expect.stringMatching(/^[0-9a-f]{64}$/),
    "Valid: true",
    "Tampered: false",
    "",
  ]);
});

test("the guide's example of a key agreement runs in packages/core", async () => {
  const output = await runInCore(`
    import { generateEphemeralKeyPair, computeSharedSecret, deriveSessionKey } from './dist/index.js';

    const target = generateEphemeralKeyPair();
    const controller = generateEphemeralKeyPair();

    const keyA = deriveSessionKey(computeSharedSecret(target.privateKey, controller.publicKey));
    const keyB = deriveSessionKey(computeSharedSecret(controller.privateKey, target.publicKey));
    console.log('Keys match:', Buffer.from(keyA).equals(Buffer.from(keyB)));
  `);
  expect(output).toBe("Keys match: true\n");
});

test("the guide's example of replay detection runs in packages/core", async () => {
  const output = await runInCore(`
    import { InMemoryNonceStore } from './dist/index.js';

    const store = new InMemoryNonceStore();
    console.log(await store.checkAndRecord('abc123', 60));
    console.log(await store.checkAndRecord('abc123', 60));
  `);
  expect(output).toBe("true\nfalse\n");
});
