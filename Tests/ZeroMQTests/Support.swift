// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import ZeroMQ

/// How two sockets of a test find each other.
enum TestTransport: CaseIterable, Sendable {
    case inproc, ipc, tcp

    /// An endpoint nobody else uses.
    func makeEndpoint() -> String {
        switch self {
        case .inproc: "inproc://\(Self.nextName())"
        case .ipc: "ipc://\(Self.folder.path)/\(Self.nextName())"
        case .tcp: "tcp://127.0.0.1:*"
        }
    }

    private static let counter = Atomic<Int>(0)
    private static let folder = TemporaryFolder()

    private static func nextName() -> String {
        "s\(counter.add(1, ordering: .relaxed).newValue)"
    }
}

/// A private folder for sockets with a short path, removed at exit.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/zmqt.XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
        if Self.all.withLock({
            $0.append(path); return $0.count
        }) == 1 {
            atexit {
                for path in TemporaryFolder.all.withLock({ $0 }) { TemporaryFolder.remove(path) }
            }
        }
    }

    private static let all = Mutex<[String]>([])

    private static func remove(_ path: String) {
        guard let folder = opendir(path) else { return }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { unlink("\(path)/\(name)") }
        }
        closedir(folder)
        rmdir(path)
    }
}

/// Two connected sockets of one context.
struct SocketPair: Sendable {
    let context: SocketContext
    let bound: Socket
    let connected: Socket
    let endpoint: String

    init(
        _ bound: SocketKind,
        _ connected: SocketKind,
        over transport: TestTransport = .inproc,
        in context: SocketContext? = nil,
        configure: (_ bound: Socket, _ connected: Socket) throws -> Void = { _, _ in }
    ) throws {
        let context = try context ?? SocketContext()
        self.context = context
        self.bound = try context.makeSocket(bound)
        self.connected = try context.makeSocket(connected)
        try configure(self.bound, self.connected)
        endpoint = try self.bound.bind(to: transport.makeEndpoint())
        try self.connected.connect(to: endpoint)
    }
}

/// Looks until `condition` holds; for what the system does in its own time and tells nobody.
func eventually(_ condition: () throws -> Bool) async throws -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(60)
    while try !condition() {
        if clock.now > deadline { return false }
        try await clock.sleep(for: .milliseconds(1))
    }
    return true
}

func expectError<Result: ~Copyable>(
    _ code: ZeroMQError.Code,
    location: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Result
) async {
    do {
        _ = try await body()
        Issue.record("no error, expected \(code)", sourceLocation: location)
    } catch let error as ZeroMQError {
        #expect(error.code == code, "\(error)", sourceLocation: location)
    } catch {
        Issue.record(error, sourceLocation: location)
    }
}

/// What `#require` does, for a value that cannot be copied.
func unwrap(_ message: consuming Message?, location: SourceLocation = #_sourceLocation) throws -> Message {
    guard let message else {
        Issue.record("no message", sourceLocation: location)
        throw ZeroMQError(code: .wouldBlock, message: "no message")
    }
    return message
}

/// The bytes of each frame, nil for no message.
func contents(_ message: consuming Multipart?) -> [[UInt8]]? {
    guard let message else { return nil }
    return Array(message)
}

/// The bytes, nil for no message.
func contents(_ message: consuming Message?) -> [UInt8]? {
    guard let message else { return nil }
    return Array(message)
}

/// A value that several tasks of a test read and write.
final class Shared<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) {
        mutex = Mutex(value)
    }

    var value: Value {
        get { mutex.withLock { $0 } }
        set { mutex.withLock { $0 = newValue } }
    }

    func update(_ body: (inout Value) -> Void) {
        mutex.withLock { body(&$0) }
    }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
