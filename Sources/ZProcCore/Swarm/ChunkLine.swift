// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Chunks in a line; where there is one, as in a task, it takes no memory of its own.
struct ChunkLine: Sendable {
    private(set) var first: ChunkID?
    /// Those behind it; empty when there is none.
    private var others: Deque<ChunkID> = []

    var isEmpty: Bool { first == nil }
    var count: Int { first == nil ? 0 : 1 + others.count }

    mutating func append(_ chunk: ChunkID) {
        if first == nil { first = chunk } else { others.append(chunk) }
    }

    mutating func prepend(_ chunk: ChunkID) {
        if let first { others.prepend(first) }
        first = chunk
    }

    mutating func popFirst() -> ChunkID? {
        defer { first = others.popFirst() }
        return first
    }

    /// Takes one out, wherever it stands.
    mutating func remove(_ chunk: ChunkID) {
        if first == chunk {
            first = others.popFirst()
        } else if let place = others.firstIndex(of: chunk) {
            others.remove(at: place)
        }
    }

    func forEach(_ body: (ChunkID) -> Void) {
        guard let first else { return }
        body(first)
        others.forEach(body)
    }
}
