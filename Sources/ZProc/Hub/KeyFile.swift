// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import ZProcCore

/// Keys as they are written down: a line for each, a word and what belongs to it; `#` begins a comment line.
///
///     secret 40-characters            the own keys
///     public 40-characters
///     hub 40-characters               a client's: the key of the hub
///     allow 40-characters writer Ann  a hub's: whom it lets in, as what, and a name for people
///
/// The file has a secret in it, so it is refused when others than its owner can read it.
public struct KeyFile: Sendable {
    /// The own keys.
    public var own: KeyPair
    /// The key of the hub to connect to; nil in a hub's own file.
    public var hub: PublicKey?
    /// Who may do what; empty in a client's file.
    public var allowed: [PublicKey: Role] = [:]

    /// Makes a file's content of new keys.
    public init(own: KeyPair, hub: PublicKey? = nil) {
        self.own = own
        self.hub = hub
    }

    /// Reads a file.
    ///
    /// - Throws: ``KeyFileError`` when it cannot be read, others can read it, or a line of it is wrong; no message has a
    ///   secret in it.
    public init(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw KeyFileError(path, "cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw KeyFileError(path, "is no file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw KeyFileError(path, "can be read by others, and has a secret in it; run 'chmod 600 \(path)'")
        }
        guard status.st_size <= 1 << 20 else { throw KeyFileError(path, "is larger than 1 MiB") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + filled, $0.count - filled) }
            if count <= 0 { break }
            filled += count
        }
        try self.init(text: String(decoding: bytes.prefix(filled), as: UTF8.self), path: path)
    }

    /// Reads the text of a file.
    ///
    /// - Parameters:
    ///   - text: the lines.
    ///   - path: what the errors name.
    /// - Throws: ``KeyFileError`` with the number of the line that is wrong.
    public init(text: String, path: String = "the keys") throws {
        var secret: String?, publicKey: PublicKey?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
            guard let word = words.first, !word.hasPrefix("#") else { continue }
            func key() throws -> PublicKey {
                guard words.count > 1, let key = PublicKey(String(words[1])) else {
                    throw KeyFileError(path, "line \(index + 1): after '\(word)' comes a key of 40 characters")
                }
                return key
            }
            switch word {
            case "secret":
                _ = try key()
                secret = String(words[1])
            case "public": publicKey = try key()
            case "hub": hub = try key()
            case "allow":
                let key = try key()
                guard words.count > 2, let role = Role(rawValue: String(words[2])) else {
                    let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")
                    throw KeyFileError(path, "line \(index + 1): after the key comes what it may do: \(roles)")
                }
                allowed[key] = role
            default:
                throw KeyFileError(
                    path,
                    "line \(index + 1) begins with none of secret, public, hub and allow"
                )
            }
        }
        guard let secret, let publicKey, let own = KeyPair(publicKey: publicKey, secretText: secret) else {
            throw KeyFileError(path, "has no own keys: a line 'secret …' and a line 'public …'")
        }
        self.own = own
    }

    /// The text of the file.
    public var text: String {
        var lines = ["secret \(own.secretText)", "public \(own.publicKey)"]
        if let hub { lines.append("hub \(hub)") }
        for (key, role) in allowed.sorted(by: { $0.key.description < $1.key.description }) {
            lines.append("allow \(key) \(role.rawValue)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Writes a new file that only its owner can read.
    ///
    /// - Throws: ``KeyFileError``, also when there is a file of that name already.
    public func write(to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw KeyFileError(path, "cannot be made: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard bytes.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) == bytes.count else {
            throw KeyFileError(path, "cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// What a hub needs.
    public var hubKeys: HubKeys { HubKeys(own: own, allowed: allowed) }

    /// What a client needs; nil when the file does not name the hub's key.
    public var credentials: Credentials? { hub.map { Credentials(own: own, hub: $0) } }
}

/// A file of keys cannot be used.
public struct KeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One line: which file, and what is wrong with it.
    public let description: String

    init(_ path: String, _ problem: String) { description = "\(path) \(problem)" }
}
