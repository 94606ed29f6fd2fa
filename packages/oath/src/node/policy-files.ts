import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { AmeshError, quoteForeign } from "@authmesh/core";
import type { TextProblem } from "../document/document-text.js";
import { compilePolicy } from "../policy/compile-policy.js";
import { maxRules, type PolicyDocument } from "../policy/policy-document.js";
import type { PolicyEngine } from "../policy/policy-engine.js";
import { checkPolicyText, maxPolicyBytes, type PolicyFormat, parsePolicy } from "../policy/policy-text.js";
import { type FileKind, filed, readBoundedFile, type SeenFile, textOf } from "./bounded-file.js";
import { evaluatePkl, type PklOptions } from "./policy-pkl.js";

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
const kind: FileKind = { name: "The policy", code: "policy_invalid", maxBytes: maxPolicyBytes };

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
export async function readPolicyFiles(path: string): Promise<readonly SeenFile[]> {
  const paths = await pathsOf(path);
  const files: SeenFile[] = [];
  let left = maxPolicyBytes;
  for (const path of paths) {
    const file = await readBoundedFile(path, kind, left);
    left -= file.content.length;
    files.push(file);
  }
  return files;
}

/** @throws AmeshError `policy_invalid` */
export async function compileFiles(files: readonly SeenFile[], options: PklOptions): Promise<LoadedPolicy> {
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

async function textsOf(files: readonly SeenFile[], options: PklOptions): Promise<readonly PolicyText[]> {
  const texts: PolicyText[] = [];
  for (const file of files) {
    const { path } = file;
    const format = formats[extname(path)] ?? "yaml";
    if (format === "pkl") texts.push({ path, text: await evaluatePkl(path, options), format: "json" });
    else texts.push({ path, text: textOf(file, kind.code), format });
  }
  return texts;
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

const invalid = (detail: string): AmeshError => new AmeshError(kind.code, detail);
