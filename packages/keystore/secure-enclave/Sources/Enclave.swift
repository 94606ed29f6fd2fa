import CryptoKit
import Foundation
import Security

/// The commands. The Enclave gives out its keys in wrapped form, which it alone can use; nothing is kept here.
enum Enclave {
    private static let wrappedLengths = 1...2_048

    static func probe(_ request: Request) throws -> Data {
        guard SecureEnclave.isAvailable else { throw Refusal(.noEnclave) }
        guard isSignedByDeveloper() else { throw Refusal(.notSigned) }
        _ = try SecureEnclave.P256.Signing.PrivateKey(accessControl: accessControl())
        return try encode(Answer(ok: ["helper": "1.0"]))
    }

    static func make(_ request: Request) throws -> Data {
        let access = try accessControl()
        let signing = try SecureEnclave.P256.Signing.PrivateKey(accessControl: access)
        let agreement = try SecureEnclave.P256.KeyAgreement.PrivateKey(accessControl: access)
        let made = [
            "publicKey": signing.publicKey.compressedRepresentation,
            "signingKey": signing.dataRepresentation,
            "agreementPublicKey": agreement.publicKey.compressedRepresentation,
            "agreementKey": agreement.dataRepresentation,
        ]
        return try encode(Answer(ok: made))
    }

    static func sign(_ request: Request) throws -> Data {
        let digest = try request.bytes("digest", 32...32)
        let wrapped = try request.bytes("signingKey", wrappedLengths)
        let key = try unwrap { try SecureEnclave.P256.Signing.PrivateKey(dataRepresentation: wrapped) }
        let signature = try key.signature(for: FinishedDigest(bytes: digest))
        return try encode(Answer(ok: ["signature": signature.derRepresentation]))
    }

    static func agree(_ request: Request) throws -> Data {
        let point = try request.bytes("peer", 33...33)
        let wrapped = try request.bytes("agreementKey", wrappedLengths)
        guard let peer = try? P256.KeyAgreement.PublicKey(compressedRepresentation: point) else {
            throw Refusal(.badRequest)
        }
        let key = try unwrap { try SecureEnclave.P256.KeyAgreement.PrivateKey(dataRepresentation: wrapped) }
        let shared = try key.sharedSecretFromKeyAgreement(with: peer)
        return try encode(Answer(ok: ["secret": shared.withUnsafeBytes { Data($0) }]))
    }

    /// From the first login after a start, and never on another device; nobody is asked, so that servers can sign.
    private static func accessControl() throws -> SecAccessControl {
        let accessible = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        guard let access = SecAccessControlCreateWithFlags(nil, accessible, .privateKeyUsage, nil) else {
            throw Refusal(.failed, detail: "SecAccessControlCreateWithFlags")
        }
        return access
    }

    /// A wrapped key that the Enclave does not take was wrapped by another one, unless the system says otherwise.
    private static func unwrap<Key>(_ load: () throws -> Key) throws -> Key {
        do {
            return try load()
        } catch {
            let refusal = Refusal.of(error)
            throw refusal.code == .failed ? Refusal(.keyRefused, detail: refusal.detail) : refusal
        }
    }
}

/// A SHA-256 that was computed elsewhere: CryptoKit would hash plain bytes once more.
private struct FinishedDigest: Digest {
    static var byteCount: Int { return SHA256.byteCount }

    let bytes: Data

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        return try bytes.withUnsafeBytes(body)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(bytes)
    }

    static func == (left: FinishedDigest, right: FinishedDigest) -> Bool {
        return left.bytes == right.bytes
    }
}
