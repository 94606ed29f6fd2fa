import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { root } from "../scripts/run.js";

test("the demo ends well, shows every refusal and leaves nothing behind", async () => {
  const foldersBefore = folders();
  const { status, output } = await runDemo();
  expect(output).not.toContain("FAIL");
  for (const reason of [
    "replay_detected",
    "signature_invalid",
    "host_mismatch",
    "malformed_target",
    "allow_list_integrity_failure",
    "device_revoked",
    "allow_list_rollback",
  ]) {
    expect(output).toContain(`log: ${reason}`);
  }
  expect(output).toContain("All as it should be");
  expect(status).toBe(0);
  expect(folders()).toEqual(foldersBefore);
}, 90_000);

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("amesh-demo-"));

function runDemo(): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const demo = spawn(process.execPath, ["scripts/demo.js"], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (chunk) => (output += chunk));
    demo.once("close", (status) => resolve({ status, output }));
  });
}
