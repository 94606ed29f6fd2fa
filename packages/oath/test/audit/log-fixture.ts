import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "@authmesh/core";
import { onTestFinished } from "vitest";
import { createEd25519Signer, type IssuerKey, importIssuerKey, type TokenSigner } from "../../src/index.js";
import { type FileAuditOptions, FileAuditSink } from "../../src/node/index.js";
import { event } from "./fixture.js";

/** A folder of its own, removed when the test is done. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-audit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function newLog(more: Partial<FileAuditOptions> = {}): { path: string; sink: FileAuditSink } {
  const path = join(newFolder(), "audit.jsonl");
  const sink = new FileAuditSink({ path, ...more });
  onTestFinished(() => sink.close());
  return { path, sink };
}

/** Writes `count` events, each by itself. */
export async function fill(sink: FileAuditSink, count: number, first = 1): Promise<void> {
  for (let i = 0; i < count; i++) await sink.write([event(`e${first + i}`)]);
}

export const linesOf = (path: string): string[] => readFileSync(path, "utf8").split("\n").slice(0, -1);

export const eventsOf = (path: string) => linesOf(path).map((line) => JSON.parse(line));

/** Rewrites the lines of a file. */
export const rewrite = (path: string, change: (lines: string[]) => string[]): void =>
  writeFileSync(
    path,
    change(linesOf(path))
      .map((line) => `${line}\n`)
      .join(""),
  );

export function newSigner(): { signer: TokenSigner; key: IssuerKey } {
  const signer = createEd25519Signer(randomBytes(32));
  const { key } = importIssuerKey(signer.publicJwk);
  if (key === undefined) throw new Error("unreachable");
  return { signer, key };
}
