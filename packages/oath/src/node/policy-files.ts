import { constants } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { AmeshError, decodeUtf8, quoteForeign } from "@authmesh/core";
import { compilePolicy } from "../policy/compile-policy.js";
import { maxRules, type PolicyDocument } from "../policy/policy-document.js";
import type { PolicyEngine } from "../policy/policy-engine.js";
import {
  checkPolicyText,
  maxPolicyBytes,
  type PolicyFormat,
  parsePolicy,
  type TextProblem,
} from "../policy/policy-text.js";
import { evaluatePkl, type PklOptions } from "./policy-pkl.js";

/** A file of a policy, as it was read. */
export interface PolicyFile {
  readonly path: string;
  readonly content: Uint8Array;
}

export interface LoadedPolicy {
  /** The rules of all files, in the order of their names. */
  readonly document: PolicyDocument;
  readonly engine: PolicyEngine;
  readonly files: readonly string[];
}

export interface FileProblem extends TextProblem {
  readonly file: string;
}

export interface CheckedPolicy {
  readonly problems: readonly FileProblem[];
  /** Where nothing is wrong. */
  readonly policy?: LoadedPolicy;
}

const maxFiles = 256;

/** How a file is read, by the end of its name. */
const formats: Readonly<Record<string, PolicyFormat | "pkl">> = {
  ".json": "json",
  ".yaml": "yaml",
  ".yml": "yaml",
  ".pkl": "pkl",
};

/**
 * Reads a policy from a file, or from the `.json`, `.yaml`, `.yml` and `.pkl` files of a folder in the order of their
 * names; whatever else is there, hidden files and folders inside are passed over. A name that ends so in capital letters
 * is refused.
 *
 * @throws AmeshError `policy_invalid`, `storage_failed`
 */
export async function loadPolicy(path: string, options: PklOptions = {}): Promise<LoadedPolicy> {
  return compileFiles(await readPolicyFiles(path), options);
}

/** @throws AmeshError `policy_invalid`, `storage_failed` */
export async function readPolicyFiles(path: string): Promise<readonly PolicyFile[]> {
  const paths = await pathsOf(path);
  const files: PolicyFile[] = [];
  let left = maxPolicyBytes;
  for (const path of paths) {
    const content = await readAtMost(path, left);
    left -= content.length;
    files.push({ path, content });
  }
  return files;
}

/** @throws AmeshError `policy_invalid` */
export async function compileFiles(files: readonly PolicyFile[], options: PklOptions): Promise<LoadedPolicy> {
  return compileTexts(await textsOf(files, options));
}

/**
 * Everything that is wrong with a policy, at most twenty problems a file.
 *
 * @throws AmeshError `policy_invalid`, `storage_failed` where there is no text to look at, or the files cannot stand
 * together
 */
export async function checkPolicy(path: string, options: PklOptions = {}): Promise<CheckedPolicy> {
  const texts = await textsOf(await readPolicyFiles(path), options);
  const problems = texts.flatMap(({ path, text, format }) =>
    (checkPolicyText(text, format).problems ?? []).map((problem) => ({ file: path, ...problem })),
  );
  return problems.length > 0 ? { problems } : { problems, policy: compileTexts(texts) };
}

interface PolicyText {
  readonly path: string;
  readonly text: string;
  readonly format: PolicyFormat;
}

function compileTexts(texts: readonly PolicyText[]): LoadedPolicy {
  const rules = texts.flatMap(({ text, format, path }) => parsePolicy(text, format, path).rules);
  if (rules.length > maxRules) throw invalid(`Together the files have more than ${maxRules} rules.`);
  const document: PolicyDocument = { version: 1, rules };
  return { document, engine: compilePolicy(document), files: texts.map(({ path }) => basename(path)) };
}

async function textsOf(files: readonly PolicyFile[], options: PklOptions): Promise<readonly PolicyText[]> {
  const texts: PolicyText[] = [];
  for (const { path, content } of files) {
    const format = formats[extname(path)] ?? "yaml";
    if (format === "pkl") texts.push({ path, text: await evaluatePkl(path, options), format: "json" });
    else texts.push({ path, text: textOf(path, content), format });
  }
  return texts;
}

function textOf(path: string, content: Uint8Array): string {
  const text = decodeUtf8(content);
  if (text === undefined) throw invalid(`${path} is not UTF-8.`);
  return text;
}

async function pathsOf(path: string): Promise<readonly string[]> {
  if (!(await filed(path, stat(path))).isDirectory()) {
    if (Object.hasOwn(formats, extname(path))) return [path];
    throw invalid(`${path} is not a policy: its name does not end in ${Object.keys(formats).join(", ")}.`);
  }
  const names = (await filed(path, readdir(path)))
    .filter((name) => !name.startsWith(".") && Object.hasOwn(formats, extname(name).toLowerCase()))
    .sort();
  // Passed over without a word, its denials would be missing.
  const shouting = names.find((name) => !Object.hasOwn(formats, extname(name)));
  if (shouting !== undefined)
    throw invalid(`${quoteForeign(join(path, shouting))}: write the end of its name in lower case.`);
  if (names.length === 0)
    throw invalid(`${path} has no policy in it: no file that ends in ${Object.keys(formats).join(", ")}.`);
  if (names.length > maxFiles) throw invalid(`${path} has more than ${maxFiles} files.`);
  return names.map((name) => join(path, name));
}

/** A pipe or a device in the place of a file blocks nobody. */
async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await filed(path, open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  try {
    const { size, isFile } = await statOf(path, file);
    if (!isFile) throw invalid(`${path} is not a file.`);
    const buffer = Buffer.alloc(Math.min(size, maxBytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await filed(path, file.read(buffer, length, buffer.length - length, length));
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes)
      throw invalid(`The policy is longer than ${maxPolicyBytes} bytes, or grew while it was read.`);
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

async function statOf(path: string, file: Awaited<ReturnType<typeof open>>) {
  const status = await filed(path, file.stat());
  return { size: status.size, isFile: status.isFile() };
}

async function filed<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new AmeshError("storage_failed", `${quoteForeign(path)} cannot be read: ${reason}.`, {
      fix: "Check the path, and that whoever runs this may read it.",
      cause,
    });
  }
}

const invalid = (detail: string): AmeshError => new AmeshError("policy_invalid", detail);
