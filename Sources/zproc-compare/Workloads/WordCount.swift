// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// Texts whose words are counted.
struct WordCount: Workload {
    let workers: Int
    private let documents: [String]

    init(size: Int, workers: Int) {
        self.workers = workers
        let wordsPerDocument = 1_000
        documents = stride(from: 0, to: size, by: wordsPerDocument).enumerated().map { document, first in
            var random = document &* 2_654_435_761 & 0x7fff_ffff
            var words: [String] = []
            for _ in first..<min(size, first + wordsPerDocument) {
                random = (random &* 1_103_515_245 &+ 12_345) & 0x7fff_ffff
                words.append("w\((random >> 16) % 1_000)")
            }
            return words.joined(separator: " ")
        }
    }

    func loop() -> Int {
        var counts: [String: Int] = [:]
        for document in documents { counts.merge(Self.count(document), uniquingKeysWith: +) }
        return Self.digest(counts)
    }

    func run(in context: Context) async throws -> Int {
        let swarm = try context.swarm(workers: workers)
        let counts = try await swarm.reduce(documents, into: [String: Int]()) { sum, counts in
            sum.merge(counts, uniquingKeysWith: +)
        } transform: { document in
            Self.count(document)
        }
        return Self.digest(counts)
    }

    private static func count(_ document: String) -> [String: Int] {
        var counts: [String: Int] = [:]
        for word in document.utf8.split(separator: UInt8(ascii: " ")) {
            counts[String(Substring(word)), default: 0] += 1
        }
        return counts
    }

    private static func digest(_ counts: [String: Int]) -> Int { counts.values.reduce(0) { $0 + $1 * $1 } }
}
