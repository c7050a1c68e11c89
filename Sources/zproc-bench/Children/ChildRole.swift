// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import CBenchReference
import Glibc
import ZProcComparison

/// What this program does when it has started itself as somebody else's reference.
enum ChildRole: Sendable {
    /// Ends at once.
    case exit
    /// Echoes in C.
    case cEcho(endpoint: String)
    /// Echoes in Swift.
    case swiftEcho(endpoint: String)
    /// Increments a counter in LMDB, in C.
    case lmdb(path: String, from: Nanoseconds, to: Nanoseconds)

    /// Does something very often.
    case hotPath(HotPath, count: Int)

    static let variable = "ZPROC_BENCH_ROLE"

    /// The role this process was started for, if it was for one.
    static var ofThisProcess: ChildRole? {
        guard let text = getenv(variable) else { return nil }
        let parts = String(cString: text).split(separator: " ", maxSplits: 1)
        switch (parts.first, parts.last) {
        case ("c-echo", let endpoint?): return .cEcho(endpoint: String(endpoint))
        case ("swift-echo", let endpoint?): return .swiftEcho(endpoint: String(endpoint))
        case ("lmdb", let rest?):
            let words = rest.split(separator: " ", maxSplits: 2)
            guard words.count == 3, let start = Nanoseconds(words[0]), let end = Nanoseconds(words[1]) else {
                return .exit
            }
            return .lmdb(path: String(words[2]), from: start, to: end)
        case ("hot-path", let rest?):
            let words = rest.split(separator: " ")
            guard words.count == 2, let path = HotPath(rawValue: String(words[0])), let count = Int(words[1]) else {
                return .exit
            }
            return .hotPath(path, count: count)
        default: return .exit
        }
    }

    /// The variable's value for this role.
    var text: String {
        switch self {
        case .exit: "exit"
        case .cEcho(let endpoint): "c-echo \(endpoint)"
        case .swiftEcho(let endpoint): "swift-echo \(endpoint)"
        case .hotPath(let path, let count): "hot-path \(path.rawValue) \(count)"
        case .lmdb(let path, let start, let end): "lmdb \(start) \(end) \(path)"
        }
    }

    /// Does what a child of this role does until its parent ends it.
    func run() async -> Never {
        switch self {
        case .exit: Glibc.exit(0)
        case .lmdb(let path, let start, let end): Glibc.exit(cbr_lmdb_increment(path, start, end) == 0 ? 0 : 1)
        case .hotPath(let path, let count):
            do {
                try await path.perform(count)
                Glibc.exit(0)
            } catch {
                fail("\(path.rawValue): \(error)")
            }
        case .cEcho(let endpoint):
            exitWithParent(endpoint)
            fail("the C echo on \(endpoint) ended: \(String(cString: strerror(cbr_echo_serve(endpoint))))")
        case .swiftEcho(let endpoint):
            exitWithParent(endpoint)
            do {
                try await serveEcho(at: endpoint)
                fail("the Swift echo on \(endpoint) ended")
            } catch {
                fail("the Swift echo on \(endpoint) ended: \(error)")
            }
        }
    }

    private func exitWithParent(_ endpoint: String) {
        let result = cbr_exit_with_standard_input(endpoint)
        if result != 0 { fail("no thread to watch the parent: \(String(cString: strerror(result)))") }
    }

    private func fail(_ problem: String) -> Never {
        printError(problem)
        Glibc.exit(70)
    }
}
