// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage
import ZProcComparison

/// A script that waits for workloads and does them, one after the other.
///
/// Both sides write lines of JSON: `{"workload":"counter","workers":2,"size":1000}` is answered by
/// `{"seconds":0.1,"cpu":0.2,"result":1000}`.
final class Peer {
    private struct Greeting: Decodable {
        var ready: String?, absent: String?
    }

    private struct Request: Encodable {
        var workload: WorkloadKind, workers: Int, size: Int
    }

    private struct Answer: Decodable {
        var seconds: Double?, cpu: Double?, result: Int?, unsupported: String?, error: String?
    }

    /// How long one run may take.
    private static let patience: Duration = .seconds(600)

    let name: PeerName
    /// What it calls itself, with its version.
    let title: String
    let processID: Int
    private let send: (String) async throws -> Void
    private var lines: SubprocessOutputSequence.StringSequence<UTF8>.AsyncIterator

    private init(
        _ name: PeerName,
        title: String,
        processID: Int,
        lines: SubprocessOutputSequence.StringSequence<UTF8>.AsyncIterator,
        send: @escaping (String) async throws -> Void
    ) {
        self.name = name
        self.title = title
        self.processID = processID
        self.lines = lines
        self.send = send
    }

    /// Does a workload once.
    func run(_ kind: WorkloadKind, size: Int, workers: Int) async throws -> Run<Int> {
        let request = try JSONEncoder().encode(Request(workload: kind, workers: workers, size: size))
        try await send(String(decoding: request, as: UTF8.self) + "\n")
        let watchdog = endProcess(pid_t(processID), after: Self.patience)
        defer { watchdog.cancel() }
        guard let line = try await lines.next() else {
            throw PeerError("\(name.rawValue) has ended, or had not answered for \(Self.patience)")
        }
        let answer = try Self.read(Answer.self, line, of: name)
        if let reason = answer.unsupported { throw Unsupported(reason: reason) }
        guard let seconds = answer.seconds, let result = answer.result, seconds.isFinite, seconds >= 0 else {
            throw PeerError(answer.error ?? "\(name.rawValue) answered \(line)")
        }
        return Run(result: result, seconds: seconds, processorTime: .seconds(answer.cpu))
    }

    /// Starts scripts, and ends them after `body`.
    ///
    /// - Parameters:
    ///   - names: which.
    ///   - directory: where the scripts are.
    ///   - body: gets those that are ready, and why the others are not.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``PeerError`` when a script cannot be started.
    static func with<Result: Sendable>(
        _ names: [PeerName],
        in directory: String,
        _ body: ([Peer], [AbsentPeer]) async throws -> Result
    ) async throws -> Result {
        try await with(names[...], in: directory, [], [], body)
    }

    private static func with<Result: Sendable>(
        _ names: ArraySlice<PeerName>,
        in directory: String,
        _ peers: [Peer],
        _ absent: [AbsentPeer],
        _ body: ([Peer], [AbsentPeer]) async throws -> Result
    ) async throws -> Result {
        guard let name = names.first else { return try await body(peers, absent) }
        let rest = names.dropFirst(), script = FilePath(directory).appending(name.script)
        let configuration = Configuration(executable: .name("python3"), arguments: [script.string])
        let outcome: ExecutionResult<Result, SequenceOutput, FileDescriptorOutput>
        do {
            outcome = try await Subprocess.run(
                configuration,
                input: .inputWriter,
                output: .sequence,
                error: .currentStandardError
            ) { execution in
                let writer = execution.standardInputWriter
                var lines = execution.standardOutput.strings().makeAsyncIterator()
                let watchdog = endProcess(execution.processIdentifier.value, after: patience)
                let greeting = try await lines.next().flatMap { try? read(Greeting.self, $0, of: name) }
                watchdog.cancel()
                let result: Result
                if let title = greeting?.ready {
                    let id = Int(execution.processIdentifier.value)
                    let peer = Peer(name, title: title, processID: id, lines: lines) { _ = try await writer.write($0) }
                    result = try await with(rest, in: directory, peers + [peer], absent, body)
                } else {
                    let reason = greeting?.absent ?? "\(script) does not run"
                    result = try await with(rest, in: directory, peers, absent + [AbsentPeer(name, reason)], body)
                }
                try await writer.finish()
                return result
            }
        } catch let error as SubprocessError where peers.isEmpty && absent.isEmpty {
            throw PeerError("python3 cannot be started, which peers need: \(error)")
        }
        return outcome.closureResult
    }

    private static func read<Message: Decodable>(_ type: Message.Type, _ line: String, of name: PeerName) throws
        -> Message
    {
        do {
            return try JSONDecoder().decode(type, from: Data(line.utf8))
        } catch {
            throw PeerError("\(name.rawValue) said \(line), which is no JSON that is known here")
        }
    }
}

/// Has a process end in order when a time is over, and ends it ten seconds later; unless the task is cancelled.
private func endProcess(_ process: pid_t, after time: Duration) -> Task<Void, any Error> {
    Task {
        try await Task.sleep(for: time)
        kill(process, SIGTERM)
        try await Task.sleep(for: .seconds(10))
        kill(process, SIGKILL)
    }
}

/// A peer that is not on this machine.
struct AbsentPeer: Codable {
    var name: PeerName, reason: String

    init(_ name: PeerName, _ reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// A peer has nothing for a workload.
struct Unsupported: Error {
    let reason: String
}

/// A peer does not do what it should.
struct PeerError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
