import { readFileSync } from "node:fs";
import { type CatalogueEntry, canonicalTarget, catalogue } from "@authmesh/core";
import { describe, expect, it } from "vitest";
import type { RequestVectors } from "./make-vectors.js";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const document = read("../../docs/protocol.md");
const vectors = JSON.parse(read("vectors/request-1.json")) as RequestVectors;
const entries: Readonly<Record<string, CatalogueEntry>> = catalogue;

/** The cells of a section's tables, code marks kept. */
const rowsOf = (heading: string): readonly (readonly string[])[] => {
  const section = document.split(`\n### ${heading}\n`)[1]?.split("\n### ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").slice(1, -1));
};
const codesIn = (text: string) => [...text.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code as string);

describe("docs/protocol.md", () => {
  it("shows the values of the vectors in its examples", () => {
    const [key] = vectors.keys as [RequestVectors["keys"][0]];
    const [request] = vectors.requests as [RequestVectors["requests"][0]];
    for (const value of [...Object.values(key), request.authorization, ...request.signed.split("\n")]) {
      expect(document).toContain(value);
    }
  });

  it.each(
    rowsOf("2.3 The canonical string")
      .slice(1)
      .map((cells) => cells.map((cell) => cell.trim().slice(1, -1))),
  )("says rightly what becomes of the target %s", (target = "", canonical = "") =>
    expect(canonicalTarget(target)).toBe(canonical),
  );

  it("lists the answers as the error catalogue has them", () => {
    const rows = rowsOf("2.7 Answers").slice(1);
    expect(rows.length).toBeGreaterThan(10);
    for (const [status, codes = ""] of rows) {
      for (const code of codesIn(codes))
        expect([code, entries[code]?.status]).toEqual([code, Number(status)]);
    }
  });

  it("lists every reason behind a 401", () => {
    const row = rowsOf("2.7 Answers").find(([status]) => status?.trim() === "401");
    const reasons = Object.keys(entries).filter((code) => entries[code]?.public === "unauthorized");
    expect(codesIn(row?.[2] ?? "").toSorted()).toEqual(reasons.toSorted());
  });
});
