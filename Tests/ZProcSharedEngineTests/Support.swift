// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import ZProcCore
import ZProcSharedEngine

/// The engines there are.
enum EngineKind: String, CaseIterable, Sendable {
    case memory, shared

    /// Calls `body` with the store of a kind, which is gone afterwards.
    func withStore(
        history: HistoryLimits = HistoryLimits(),
        _ body: (any StateStore) async throws -> Void
    ) async throws {
        switch self {
        case .memory: try await body(MemoryStore(history: history))
        case .shared:
            try await withDirectory { directory in
                let store = try SharedStore.create(at: "\(directory)/state", sync: nil, history: history)
                defer { store.close() }
                try await body(store)
            }
        }
    }

    func withEngine(
        history: HistoryLimits = HistoryLimits(),
        _ body: (any StateEngine) async throws -> Void
    ) async throws {
        try await withStore(history: history) { try await body($0.engine(for: "test")) }
    }
}

let someone = Origin.random()

/// Calls `body` with a directory that is gone afterwards.
func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(parent)/zproc-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw NoDirectory() }
    let path = template.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    defer {
        for name in names(in: path) { unlink("\(path)/\(name)") }
        rmdir(path)
    }
    return try await body(path)
}

/// The names of the files in a directory.
func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

struct NoDirectory: Error {}

/// Numbers that are the same for the same seed.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The room a file takes on its disk, in bytes.
func fileSize(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_blocks) * 512 : 0
}
