import Foundation
import Security

/// Whether this program is as it was when somebody signed it whom Apple gave a certificate. A signature that anybody
/// can make, such as the one that the linker puts in, does not count.
func isSignedByDeveloper() -> Bool {
    var foundCode: SecCode?
    var foundRequirement: SecRequirement?
    let text = "anchor apple generic" as CFString
    guard SecCodeCopySelf([], &foundCode) == errSecSuccess, let code = foundCode,
        SecRequirementCreateWithString(text, [], &foundRequirement) == errSecSuccess,
        let requirement = foundRequirement
    else { return false }
    return SecCodeCheckValidity(code, [], requirement) == errSecSuccess
}
