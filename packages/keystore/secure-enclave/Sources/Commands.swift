import Foundation

/// Something that the helper can be asked for.
struct Command {
    /// What its request has beside `version` and `do`.
    let members: Set<String>
    let run: (Request) throws -> Data

    init(_ members: Set<String>, _ run: @escaping (Request) throws -> Data) {
        self.members = members
        self.run = run
    }
}

let commands: [String: Command] = [
    "probe": Command([], Enclave.probe),
    "make": Command([], Enclave.make),
    "sign": Command(["signingKey", "digest"], Enclave.sign),
    "agree": Command(["agreementKey", "peer"], Enclave.agree),
]
