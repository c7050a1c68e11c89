// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// How often each word was seen.
struct Words: Equatable {
    var counts: [String: Int] = [:]
    var total = 0
    /// Files that were not counted, and why.
    var skipped: [String: String] = [:]

    /// Longer runs are encoded data rather than words; a key of the state has at most 480 bytes.
    private static let longestWord = 100

    /// Counts the words of a file: runs of ASCII letters and digits, in lower case, and of other characters as they are.
    mutating func add(fileAt path: String) {
        let content: Data
        do {
            content = try Data(contentsOf: URL(filePath: path))
        } catch {
            skipped[path] = "cannot be read"
            return
        }
        guard !content.contains(0), String(validating: content, as: UTF8.self) != nil else {
            skipped[path] = "is no text"
            return
        }
        var word: [UInt8] = []
        for byte in content {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
                word.append(byte)
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
            default: end(&word)
            }
        }
        end(&word)
    }

    private mutating func end(_ word: inout [UInt8]) {
        defer { word.removeAll(keepingCapacity: true) }
        guard !word.isEmpty, word.count <= Self.longestWord else { return }
        counts[String(decoding: word, as: UTF8.self), default: 0] += 1
        total += 1
    }
}

/// The files to count.
struct TextFiles {
    private(set) var paths: [String] = []
    private var sizes: [String: Int] = [:]

    init(under root: String) throws {
        var isDirectory = false
        guard FileManager.default.fileExists(atPath: root, isDirectory: &isDirectory), isDirectory else {
            throw CheckFailed(description: "\(root) is no directory; name one that holds text files")
        }
        try add(root)
        paths.sort()
    }

    private mutating func add(_ directory: String) throws {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else { return }
        for name in names where !name.hasPrefix(".") {
            let path = "\(directory)/\(name)"
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            switch attributes?[.type] as? FileAttributeType {
            case .typeDirectory: try add(path)
            case .typeRegular:
                paths.append(path)
                sizes[path] = attributes?[.size] as? Int ?? 0
            default: break
            }
        }
    }

    /// The files in as many shares as there are workers, of about equal size in bytes; no empty ones.
    func shares(_ count: Int) -> [[String]] {
        var shares = [(bytes: Int, paths: [String])](repeating: (0, []), count: count)
        for path in paths.sorted(by: { (sizes[$1] ?? 0, $0) < (sizes[$0] ?? 0, $1) }) {
            guard let least = shares.indices.min(by: { shares[$0].bytes < shares[$1].bytes }) else { break }
            shares[least].bytes += sizes[path] ?? 0
            shares[least].paths.append(path)
        }
        return shares.map(\.paths).filter { !$0.isEmpty }
    }
}
