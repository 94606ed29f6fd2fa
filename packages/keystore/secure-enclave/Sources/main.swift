import Foundation

// Answers requests, a line of standard input each, until there is no more. README.md says what they are.

let maximumLineLength = 16_384
let lineFeed = UInt8(ascii: "\n")

/// The next line without its end, or as much of it as fits; nil once there is no whole line.
func nextLine() -> Data? {
    var line = Data()
    while line.count < maximumLineLength {
        let character = getchar()
        if character == EOF { return nil }
        if character == Int32(lineFeed) { return line }
        line.append(UInt8(truncatingIfNeeded: character))
    }
    return line
}

/// Whatever fails becomes a refusal.
func answer(to line: Data) throws -> Data {
    do {
        let request = try Request(line: line)
        guard let command = commands[request.name], request.hasExactly(command.members) else {
            throw Refusal(.badRequest)
        }
        return try command.run(request)
    } catch {
        return try encode(Denial(error: Refusal.of(error)))
    }
}

while let line = nextLine() {
    var output = try answer(to: line)
    output.append(lineFeed)
    FileHandle.standardOutput.write(output)
    if line.count == maximumLineLength { break } // what follows is the rest of it, and no request
}
