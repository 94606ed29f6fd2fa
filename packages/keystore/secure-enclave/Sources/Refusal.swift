import CryptoKit
import Foundation
import Security

/// Why there is no result. The driver knows each code.
struct Refusal: Error, Encodable {
    enum Code: String, Encodable {
        case badRequest = "bad_request"
        case unsupportedVersion = "unsupported_version"
        case noEnclave = "no_enclave"
        case notSigned = "not_signed"
        case locked = "locked"
        case keyRefused = "key_refused"
        case failed = "failed"
    }

    let code: Code
    /// What the system said, for whoever looks into it.
    let detail: String?

    init(_ code: Code, detail: String? = nil) {
        self.code = code
        self.detail = detail
    }

    static func of(_ error: Error) -> Refusal {
        if let refusal = error as? Refusal { return refusal }
        let failure = error as NSError
        let text = error is CryptoKitError ? String(describing: error) : "\(failure.domain) \(failure.code)"
        return Refusal(meanings[text] ?? .failed, detail: String(text.prefix(200)))
    }
}

/// Errors of the system that mean something to a user, by domain and number.
private let meanings: [String: Refusal.Code] = [
    "\(NSOSStatusErrorDomain) \(errSecInteractionNotAllowed)": .locked,
    "\(NSOSStatusErrorDomain) \(errSecMissingEntitlement)": .notSigned,
    "CryptoTokenKit -3": .keyRefused, // corrupted data: another Enclave wrapped it
]
