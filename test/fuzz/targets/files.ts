/** What a machine keeps of itself, and what key stores and TPMs say. */
import {
  openAllowList,
  readUnsealed,
  sealAllowList,
} from "../../../packages/keystore/src/allow-list-seal.js";
import { parseBackup } from "../../../packages/keystore/src/backup-file.js";
import { parseKeyFile } from "../../../packages/keystore/src/drivers/key-file.js";
import {
  parseKeychainFile,
  readKeyItem,
  readMemoryItem,
} from "../../../packages/keystore/src/drivers/keychain-file.js";
import { parsePkcs11File } from "../../../packages/keystore/src/drivers/pkcs11-file.js";
import { readRemembered, writeRemembered } from "../../../packages/keystore/src/drivers/remembered-file.js";
import { parseSecureEnclaveFile } from "../../../packages/keystore/src/drivers/secure-enclave-file.js";
import { parseTpmFile } from "../../../packages/keystore/src/drivers/tpm-file.js";
import { parseEnrollment } from "../../../packages/keystore/src/enrollment-file.js";
import { parseIdentity } from "../../../packages/keystore/src/identity-file.js";
import { Trouble } from "../../../packages/keystore/src/internal/trouble.js";
import { readPoint } from "../../../packages/keystore/src/pkcs11/objects.js";
import * as helper from "../../../packages/keystore/src/secure-enclave/messages.js";
import { tpmAddress } from "../../../packages/keystore/src/tpm/address.js";
import { readCertificate } from "../../../packages/keystore/src/tpm/attestation/certificate.js";
import * as attestation from "../../../packages/keystore/src/tpm/attestation/commands.js";
import { elementsOf } from "../../../packages/keystore/src/tpm/attestation/der.js";
import { readEndorsementKey } from "../../../packages/keystore/src/tpm/attestation/endorsement-key.js";
import {
  readAnswer,
  readChallenge,
  readClaim,
} from "../../../packages/keystore/src/tpm/attestation/messages.js";
import { readPemCertificates } from "../../../packages/keystore/src/tpm/attestation/pem-certificates.js";
import { readStatement } from "../../../packages/keystore/src/tpm/attestation/statement.js";
import * as commands from "../../../packages/keystore/src/tpm/commands.js";
import { Malformed } from "../../../packages/keystore/src/tpm/marshal.js";
import * as tpm from "../../../packages/keystore/src/tpm/message.js";
import {
  checkSealedData,
  readAttestationKey,
  readSigningKey,
} from "../../../packages/keystore/src/tpm/public-area.js";
import { deviceKey } from "../subjects.js";
import { bytes, json, mustBeEqual, type Target, text, utf8Of } from "../target.js";

const secret = new Uint8Array(32).fill(1);
const tpmWords = [
  "\x80\x01",
  "\x80\x02",
  "\0\0\0\x0a",
  "\0\0\0\0",
  "\0\x20",
  "\0\x18\0\x0b",
  "\0\x23\0\x0b",
  "\xffTCG",
  "\x80\x17",
];
const derWords = [
  "\x30",
  "\x30\x82",
  "\x02\x01",
  "\x03\x42\0",
  "\x06\x03\x55\x1d",
  "\x04",
  "\xa3",
  "\x31",
  "\x0c",
  "\x81\x80",
];
const pem = ["-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----", "MII", "="];

/** Of a document that is read from a file. */
const file = <T>(name: string, read: (bytes: Uint8Array) => T): Target =>
  json(name, (document) => read(utf8Of(document)));

const answerTo = <T>(name: string, command: tpm.Command<T>): Target =>
  bytes(name, (answer) => ({ read: tpm.readAnswer(command, answer) }), {
    words: tpmWords,
    refusals: [Trouble],
  });

const helperSays = <T>(name: string, command: helper.HelperCommand<T>): Target =>
  json(name, (line) => ({ read: helper.readAnswer(command, utf8Of(`${line}\n`)) }), { refusals: [Trouble] });

/** Whatever can be read is read the same once it is written again. */
function remembered(bytes: Uint8Array): Uint8Array {
  const value = readRemembered(bytes, secret);
  mustBeEqual(readRemembered(utf8Of(writeRemembered(value, secret)), secret), value, "what is remembered");
  return value;
}

export const files: readonly Target[] = [
  file("identity-file", parseIdentity),
  file("allow-list", (bytes) => {
    const contents = readUnsealed(bytes);
    mustBeEqual(
      openAllowList(utf8Of(sealAllowList(contents, secret)), secret),
      contents,
      "a list, sealed and opened",
    );
    return contents;
  }),
  file("sealed-allow-list", (bytes) => openAllowList(bytes, secret)),
  file("key-file", parseKeyFile),
  file("backup", parseBackup),
  file("keychain-file", parseKeychainFile),
  file("keychain-item", (bytes) => readKeyItem(bytes, deviceKey.publicKey)),
  file("keychain-memory", readMemoryItem),
  file("pkcs11-file", parsePkcs11File),
  file("secure-enclave-file", parseSecureEnclaveFile),
  file("tpm-file", parseTpmFile),
  file("remembered-file", remembered),
  file("enrollment-file", (bytes) => parseEnrollment(bytes, "enrollment.json")),
  bytes("pkcs11-point", (point) => ({ id: readPoint(Buffer.from(point)).deviceId }), {
    words: ["\x04\x41\x04", "\x04"],
    refusals: [Trouble],
  }),
  helperSays("secure-enclave-probe", helper.probe),
  helperSays("secure-enclave-make", helper.make),
  text("tpm-address", (address) => tpmAddress({ AMESH_TPM: address }), {
    words: ["swtpm:", "unix:", "[::1]", ":2321", "/dev/tpmrm0"],
    refusals: [Trouble],
  }),
  answerTo("tpm-sign", commands.sign(0x80000001, new Uint8Array(32))),
  answerTo("tpm-create", commands.create(0x80000001, new Uint8Array(), new Uint8Array())),
  answerTo("tpm-load", commands.load(0x80000001, { public: new Uint8Array(), private: new Uint8Array() })),
  answerTo("tpm-properties", commands.fixedProperties()),
  answerTo("tpm-read-public", attestation.readPublic(0x80000001)),
  bytes("tpm-statement", readStatement, { words: tpmWords, refusals: [Malformed] }),
  bytes("tpm-signing-key", (area) => ({ id: readSigningKey(area).deviceId }), {
    words: tpmWords,
    refusals: [Malformed],
  }),
  bytes("tpm-attestation-key", (area) => ({ id: readAttestationKey(area).deviceId }), {
    words: tpmWords,
    refusals: [Malformed],
  }),
  bytes("tpm-endorsement-key", readEndorsementKey, { words: tpmWords, refusals: [Malformed] }),
  bytes("tpm-sealed-data", (area) => ({ sealed: checkSealedData(area) }), {
    words: tpmWords,
    refusals: [Malformed],
  }),
  bytes("der", elementsOf, { words: derWords, refusals: [Malformed] }),
  bytes("certificate", readCertificate, { words: derWords, refusals: [Malformed] }),
  text("pem-certificates", (texts) => readPemCertificates([texts], "roots"), { words: pem }),
  json("attestation-claim", readClaim),
  json("attestation-challenge", readChallenge),
  json("attestation-answer", readAnswer),
];
