// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import ZProc

/// Counts words in many files, on many cores, into one state.
struct WordCount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wordcount",
        abstract: "Counts the words of all text files under a directory.",
        discussion: """
            Hidden files and directories are left out. Files that cannot be read, or are no UTF-8 text, are counted \
            and named; runs of more than 100 bytes are no words. The result is checked against a count in one loop.
            """
    )

    @Argument(help: "Where to look for files; by default the sources of this package.") var directory: String?
    @OptionGroup var options: BackendOption
    @Option(help: "How many bodies count at once.") var workers = 2
    @Option(help: "How many of the most frequent words to print.") var top = 10

    func validate() throws {
        guard workers > 0, top >= 0 else { throw ValidationError("--workers must be at least 1, --top not negative") }
    }

    func run() async throws {
        let root = directory ?? Self.packageDirectory
        let files = try TextFiles(under: root)
        let clock = ContinuousClock(), start = clock.now
        let words = try await count(files)
        let elapsed = clock.now - start

        for (word, count) in words.counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(top) {
            print(String(repeating: " ", count: max(0, 8 - "\(count)".count)) + "\(count)  \(word)")
        }
        for (file, reason) in words.skipped.sorted(by: { $0.key < $1.key }) { print("skipped \(file): \(reason)") }
        print(
            "\(words.total) words in \(files.paths.count - words.skipped.count) files, \(words.skipped.count) skipped, "
                + "\(workers) \(options.backend), \(elapsed)"
        )
        try check(words, against: files)
    }

    /// Spreads the files over spawned bodies; each merges what it found into the state in one update.
    private func count(_ files: TextFiles) async throws -> Words {
        try await withContext(options.backend) { context in
            let counts = context.state(namespace: "words"), summary = context.state(namespace: "summary")
            var processes: [SpawnedProcess<[String: String]>] = []
            for share in files.shares(workers) {
                let process = try await context.spawn(share, name: "counter") { paths in
                    var words = Words()
                    for path in paths { words.add(fileAt: path) }
                    let found = words.counts, total = words.total
                    try await counts.update { draft in
                        for (word, count) in found { draft[word, default: 0] += count }
                    }
                    try await summary.update { $0["total", default: 0] += total }
                    return words.skipped
                }
                processes.append(process)
            }
            var words = Words()
            for process in processes { words.skipped.merge(try await process.value) { first, _ in first } }
            let snapshot = try await counts.snapshot()
            for word in snapshot.keys { words.counts[word] = try snapshot.get(word, default: 0) }
            words.total = try await summary.get("total", default: 0)
            return words
        }
    }

    private func check(_ words: Words, against files: TextFiles) throws {
        var expected = Words()
        for path in files.paths { expected.add(fileAt: path) }
        guard words == expected else {
            throw CheckFailed(
                description: "one loop counts \(expected.total) words, \(expected.counts.count) of them different; "
                    + "the bodies counted \(words.total) and \(words.counts.count)"
            )
        }
        print("checked: one loop gives the same")
    }

    private static var packageDirectory: String {
        // …/Sources/zproc-demo/WordCount.swift
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    }
}
