// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// A key of a coding path, rebuilt from the bytes of the message.
struct PathKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        stringValue = "[\(intValue)]"
        self.intValue = intValue
    }

    /// The key under which `superEncoder()` writes and `superDecoder()` reads.
    static var `super`: PathKey { PathKey(stringValue: "super") }
}
