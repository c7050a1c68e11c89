// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc
import ZProcCore

/// What people write: files of keys, and addresses.
enum TextTarget {
    static func run(_ bytes: [UInt8]) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        if let endpoint = try? Endpoint(text) {
            guard (try? Endpoint(endpoint.description)) == endpoint else {
                preconditionFailure("\(endpoint) does not come back")
            }
        }
        if let key = PublicKey(text) { precondition(key.bytes.count == 32 && PublicKey(key.description) == key) }
        do {
            let file = try KeyFile(text: text)
            let again = try? KeyFile(text: file.text)
            precondition(
                again?.own == file.own && again?.hub == file.hub && again?.allowed == file.allowed,
                "the file does not come back"
            )
        } catch {
            let description = "\(error)"
            precondition(!description.contains("\n"), "an error has more than one line")
        }
        return true
    }

    static var seeds: [String: [UInt8]] {
        get throws {
            let keys = (0..<3).map { number in PublicKey(bytes: [UInt8](repeating: UInt8(number * 50 + 3), count: 32)) }
            guard let own = keys[0], let other = keys[1], let third = keys[2],
                let pair = KeyPair(publicKey: own, secretText: other.description)
            else { throw Failure("no keys") }
            var hub = KeyFile(own: pair)
            hub.allowed = [other: .reader, third: .runner]
            let client = KeyFile(own: pair, hub: other)
            let texts = [
                "hub": "# who may connect\n" + hub.text, "client": client.text,
                "named": "allow \(own) writer Ann of the office\r\n\tsecret \(other)\n\n public  \(own)\n",
                "key": own.description, "tcp": "tcp://127.0.0.1:5000", "any-port": "tcp://[::1]:*",
                "ipc": "ipc:///run/user/1000/hub.sock", "inproc": "inproc://name", "empty-tcp": "tcp://:",
            ]
            return texts.mapValues { Array($0.utf8) }
        }
    }
}
