// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// The lines of a hub's file that say whom it lets in, without touching the others: comments, and the keys.
enum KeyLines {
    struct Client: Equatable {
        var key: PublicKey
        var role: Role
        var name: String?
    }

    /// Whom a text lets in, in the order of the file; of two lines for a key the last one counts.
    static func allowed(in text: String) -> [Client] {
        var clients: [Client] = []
        for client in lines(of: text).compactMap(client) {
            clients.removeAll { $0.key == client.key }
            clients.append(client)
        }
        return clients
    }

    /// The text with a line for a client; in the place of the one it has, or at the end.
    ///
    /// Without a new name it keeps the one it has.
    static func allowing(_ new: Client, in text: String) -> String {
        var lines = lines(of: text)
        var new = new
        new.name = new.name ?? allowed(in: text).first { $0.key == new.key }?.name
        let line = "allow \(new.key) \(new.role.rawValue)\(new.name.map { " \($0)" } ?? "")"
        let places = lines.indices.filter { client(lines[$0])?.key == new.key }
        for place in places.dropFirst().reversed() { lines.remove(at: place) }
        if let place = places.first { lines[place] = line } else { lines.append(line) }
        return lines.map { "\($0)\n" }.joined()
    }

    private static func lines(of text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    private static func client(_ line: String) -> Client? {
        let words = line.split(maxSplits: 3) { $0 == " " || $0 == "\t" || $0 == "\r" }
        guard words.count >= 3, words[0] == "allow", let key = PublicKey(String(words[1])),
            let role = Role(rawValue: String(words[2]))
        else { return nil }
        return Client(key: key, role: role, name: words.count > 3 ? String(words[3]) : nil)
    }
}
