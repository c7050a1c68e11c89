// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import PortableClosures
internal import Synchronization

extension Context {
    /// Has every process that this context starts from now on, and those that they start, do something before their bodies.
    ///
    ///     context.prepareProcesses { LoggingSystem.bootstrap(StreamLogHandler.standardError) }
    ///
    /// A spawned process runs a closure instead of the program's `main`, so what that sets up for logging, metrics or
    /// tracing is to be set up here as well. Several closures run in the order in which they were given. On `.threads` there is
    /// nothing to prepare, and it is not called.
    ///
    /// - Parameters:
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - prepare: what to do; its captures travel. A capture that cannot makes each `spawn` throw.
    public func prepareProcesses(
        fileID: String = #fileID,
        line: Int = #line,
        _ prepare: @escaping @Sendable () -> Void
    ) {
        let closure = PortableClosure(Preparation(prepare: prepare), fileID: fileID, line: line)
        system.preparations.add(closure)
    }
}

/// What a process does before its body.
private struct Preparation: ClosureHolder {
    let prepare: @Sendable () -> Void
}

/// What the processes do that this one starts, before their bodies.
final class ProcessPreparations: Sendable {
    private let closures = Mutex<[PortableClosure]>([])

    var all: [PortableClosure] { closures.withLock { $0 } }

    func add(_ closure: PortableClosure) { closures.withLock { $0.append(closure) } }

    /// Does in this process what its parent wants, and has its own processes do the same.
    func carryOut(_ inherited: [PortableClosure]) {
        closures.withLock { $0 = inherited }
        for closure in inherited { (closure.holder as? Preparation)?.prepare() }
    }
}
