// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts its living instances.
final class Tracked: Codable, Sendable {
    private static let count = Mutex(0)
    static var live: Int { count.withLock { $0 } }
    let id: Int

    init(id: Int) {
        self.id = id
        Self.count.withLock { $0 += 1 }
    }

    convenience init(from decoder: any Decoder) throws {
        self.init(id: try decoder.singleValueContainer().decode(Int.self))
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(id)
    }

    deinit { Self.count.withLock { $0 -= 1 } }
}
