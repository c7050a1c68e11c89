// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import Glibc
internal import ZProcCore

/// What is known of a submitted task without its value.
struct TaskInfo: Codable, Equatable {
    var owner: TaskOwner
    var label: String?
    var isDone = false
    /// When the result is forgotten, in seconds since 1970; nil for never.
    var expiry: Double?

    var hasExpired: Bool { expiry.map { $0 <= Self.now } ?? false }

    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A submitted task as it is kept: the fields of its info, and what it came to.
struct TaskRecord<Output: Codable & Sendable>: Codable, Sendable {
    var info: TaskInfo
    var output: Output?
    var failure: KeptError?

    private enum Keys: String, CodingKey { case output, failure }

    init(_ info: TaskInfo, output: Output? = nil, failure: KeptError? = nil) {
        self.info = info
        self.output = output
        self.failure = failure
    }

    init(from decoder: any Decoder) throws {
        info = try TaskInfo(from: decoder)
        let container = try decoder.container(keyedBy: Keys.self)
        output = try container.decodeIfPresent(Output.self, forKey: .output)
        failure = try container.decodeIfPresent(KeptError.self, forKey: .failure)
    }

    func encode(to encoder: any Encoder) throws {
        try info.encode(to: encoder)
        var container = encoder.container(keyedBy: Keys.self)
        try container.encodeIfPresent(output, forKey: .output)
        try container.encodeIfPresent(failure, forKey: .failure)
    }

    /// Puts the end of the task in its place, unless the result was released in the meantime.
    func finish(_ end: Result<Output, any Error>, _ keep: Duration?, as id: String, in results: SharedState) async {
        var done = self
        done.info.isDone = true
        done.info.expiry = keep.map { TaskInfo.now + $0 / .seconds(1) }
        switch end {
        case .success(let output): done.output = output
        case .failure(let error): done.failure = KeptError(error)
        }
        do {
            try await results.compareAndSet(id, expecting: self, to: done)
        } catch {
            // A value that cannot be kept, because it is too large or cannot be encoded.
            done.output = nil
            done.failure = KeptError(error)
            _ = try? await results.compareAndSet(id, expecting: self, to: done)
        }
        guard let keep else { return }
        try? await Task.sleep(for: keep.countable)
        _ = try? await results.compareAndSet(id, expecting: done, to: nil)
    }

    func value() throws -> Output {
        if let failure { throw failure.original }
        if let output { return output }
        // An optional's nil.
        if let nothing = (nil as Any?) as? Output { return nothing }
        throw CallError(.badResult, "the task's record has no \(Output.self)")
    }
}

/// An error as it is kept; comes back as its own type where the program knows it.
struct KeptError: Codable, Sendable {
    let original: any Error

    init(_ error: any Error) { original = error }

    init(from decoder: any Decoder) throws {
        let error = try WireError(from: decoder)
        original = ErrorCoder(processID: Int(getpid()), userInfo: decoder.sendableUserInfo).decode(error)
    }

    func encode(to encoder: any Encoder) throws {
        let system = encoder.userInfo[.actorSystemKey] as? ZProcSystem
        let coder = ErrorCoder(processID: Int(getpid()), userInfo: system?.userInfo ?? [:])
        try coder.encode(original).encode(to: encoder)
    }
}

extension Decoder {
    fileprivate var sendableUserInfo: [CodingUserInfoKey: any Sendable] {
        (userInfo[.actorSystemKey] as? ZProcSystem)?.userInfo ?? [:]
    }
}

/// The process that works on a task.
struct TaskOwner: Codable, Equatable {
    var host: String
    var processID: Int
    /// When it started, in the kernel's ticks: numbers of processes come again.
    var start: UInt64

    static let own = TaskOwner(host: hostName(), processID: Int(getpid()), start: startTime(of: Int(getpid())) ?? 0)

    /// Whether it is still there; of another machine nothing is known.
    var lives: Bool { host != Self.own.host || Self.startTime(of: processID) == start }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func startTime(of processID: Int) -> UInt64? {
        guard let file = fopen("/proc/\(processID)/stat", "r") else { return nil }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 1_024)
        let count = fread(&text, 1, text.count, file)
        let stat = String(decoding: text.prefix(count), as: UTF8.self)
        // The name may contain anything; the state follows it, and the start is the 20th from there.
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return UInt64(fields[19])
    }
}
