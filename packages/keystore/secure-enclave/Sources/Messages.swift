import Foundation

/// What is asked for: the name of a command, and bytes by name.
struct Request: Decodable {
    let name: String
    private let members: [String: Data]

    init(line: Data) throws {
        do {
            self = try JSONDecoder().decode(Request.self, from: line)
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(.badRequest)
        }
    }

    init(from decoder: Decoder) throws {
        let object = try decoder.container(keyedBy: MemberName.self)
        let version = try object.decode(Int.self, forKey: MemberName(stringValue: "version"))
        if version != 1 { throw Refusal(.unsupportedVersion) }
        name = try object.decode(String.self, forKey: MemberName(stringValue: "do"))
        var members: [String: Data] = [:]
        for member in object.allKeys where member.stringValue != "version" && member.stringValue != "do" {
            members[member.stringValue] = try object.decode(Data.self, forKey: member) // base64
        }
        self.members = members
    }

    func hasExactly(_ names: Set<String>) -> Bool {
        return Set(members.keys) == names
    }

    func bytes(_ name: String, _ lengths: ClosedRange<Int>) throws -> Data {
        guard let bytes = members[name], lengths.contains(bytes.count) else { throw Refusal(.badRequest) }
        return bytes
    }
}

/// The name of any member, so that unknown ones are seen.
struct MemberName: CodingKey {
    let stringValue: String

    init(stringValue: String) {
        self.stringValue = stringValue
    }

    var intValue: Int? { return nil }

    init?(intValue: Int) {
        return nil
    }
}

/// A result.
struct Answer<Result: Encodable>: Encodable {
    let version = 1
    let ok: Result
}

/// A refusal, in place of a result.
struct Denial: Encodable {
    let version = 1
    let error: Refusal
}

func encode<Message: Encodable>(_ message: Message) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return try encoder.encode(message)
}
