// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// Tells that a process has ended, and why.
public struct ProcessDown: Sendable, CustomStringConvertible {
    /// Why a process ended.
    public enum Reason: Sendable, CustomStringConvertible {
        /// Its body returned.
        case returned
        /// Its body threw ``ProcessExit`` with this code.
        case exit(code: UInt8)
        /// It was stopped, by ``SpawnedProcess/stop(grace:)``, its supervisor or the end of its context.
        case stopped
        /// Its body threw this.
        case error(any Error)
        /// It ended before its body did, or could not be started.
        case termination(ProcessTermination)

        /// Whether it ended as it was meant to: its body returned or ended it with code 0, or somebody stopped it.
        public var isNormal: Bool {
            switch self {
            case .returned, .stopped: true
            case .exit(let code): code == 0
            case .error, .termination: false
            }
        }

        /// A few words.
        public var description: String {
            switch self {
            case .returned: "returned"
            case .exit(let code): "exit with code \(code)"
            case .stopped: "stopped"
            case .error(let error): "threw \(error)"
            case .termination(let termination): "\(termination)"
            }
        }
    }

    /// The name given to `spawn`, if one was.
    public let name: String?
    /// The process it last ran in; nil when it was never started.
    public let pid: Int?
    /// Why it ended.
    public let reason: Reason

    /// One line.
    public var description: String { "\(name ?? pid.map { "process \($0)" } ?? "a process") is down: \(reason)" }
}

extension SpawnedProcess {
    /// Why it ended; waits for that.
    ///
    /// Cancelling does not end the wait.
    public nonisolated var down: ProcessDown {
        get async {
            life.observe()
            _ = await life.ended.settled()
            return life.down
        }
    }

    /// A sequence of one element: that it has ended, and why.
    ///
    /// Also when that was before. Retries are no end.
    public nonisolated func monitor() -> AsyncStream<ProcessDown> {
        life.observe()
        let (stream, continuation) = AsyncStream.makeStream(of: ProcessDown.self)
        life.ended.whenSettled { [life] _ in
            continuation.yield(life.down)
            continuation.finish()
        }
        return stream
    }

    /// Ties two processes together: when one ends otherwise than by returning, the other is stopped.
    ///
    /// Also when that has happened already. A link lasts until both have ended.
    ///
    /// - Parameters:
    ///   - other: the other one.
    ///   - grace: what the one that is stopped gets for each step.
    public nonisolated func link<Other>(to other: SpawnedProcess<Other>, grace: Duration = .seconds(2)) {
        life.onFailure { [life = other.life] in Task { await life.stop(grace: grace) } }
        other.life.onFailure { [life] in Task { await life.stop(grace: grace) } }
    }
}

extension ProcessLife {
    /// Why it has ended.
    var down: ProcessDown {
        let reason: ProcessDown.Reason =
            switch outcome.result {
            case .success: .returned
            case .failure(let exit as ProcessExit): .exit(code: exit.code)
            case .failure(is CancellationError) where isStopped: .stopped
            case .failure(let termination as ProcessTermination):
                isStopped && termination.signalName != nil ? .stopped : .termination(termination)
            case .failure(let error): .error(error)
            case nil: .stopped
            }
        return ProcessDown(name: name, pid: processID, reason: reason)
    }

    fileprivate func onFailure(_ action: @escaping @Sendable () -> Void) {
        ended.whenSettled { [self] _ in
            switch down.reason {
            case .returned, .exit(code: 0): break
            case .stopped, .exit, .error, .termination: action()
            }
        }
    }
}
