// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import FoundationEssentials
import ZProc

/// Which words are in which files of a folder, and how often: counted by a swarm, and by one loop to compare.
///
///     word-index [--threads] [FOLDER]
///
/// Without a folder, the examples' own.
@main struct WordIndex {
    static func main() async throws {
        let own = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        let folder = CommandLine.arguments.dropFirst().first { !$0.hasPrefix("-") } ?? own
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder).map { "\(folder)/\($0)" }.filter {
            $0.hasSuffix(".swift") || $0.hasSuffix(".md") || $0.hasSuffix(".txt")
        }
        let clock = ContinuousClock()

        var alone = Index()
        let loopTime = try clock.measure {
            for file in files { alone.add(try countWords(of: file), of: file) }
        }
        try await withContext(Backend.chosen) { context in
            let swarm = try context.swarm()
            var options = MapOptions()
            options.progress = .bar
            options.label = "indexing"
            var index = Index()
            let swarmTime = try await clock.measure {
                let counts = try swarm.mapLazy(files, options: options) { try countWords(of: $0) }
                var file = files.makeIterator()
                for try await count in counts { if let file = file.next() { index.add(count, of: file) } }
            }
            try expect("index", index == alone)
            print("\(files.count) files, \(index.words.count) words; one loop \(loopTime), the swarm \(swarmTime)")
            for (word, entry) in index.mostFrequent(5) {
                print("\(word): \(entry.count) times in \(entry.files.count) files")
            }
        }
    }
}

/// The words of all files.
struct Index: Equatable {
    struct Entry: Equatable {
        var count = 0
        var files: [String] = []
    }
    private(set) var words: [String: Entry] = [:]

    mutating func add(_ counts: [String: Int], of file: String) {
        for (word, count) in counts {
            words[word, default: Entry()].count += count
            words[word, default: Entry()].files.append(file)
        }
    }

    func mostFrequent(_ count: Int) -> [(String, Entry)] {
        let sorted = words.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        return sorted.prefix(count).map { ($0.key, $0.value) }
    }
}

func countWords(of file: String) throws -> [String: Int] {
    let text = try String(contentsOfFile: file, encoding: .utf8).lowercased()
    var counts: [String: Int] = [:]
    for word in text.split(whereSeparator: { !$0.isLetter }) { counts[String(word), default: 0] += 1 }
    return counts
}
