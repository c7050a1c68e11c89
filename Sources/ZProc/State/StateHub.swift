// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import ZProcCore

/// Owns the namespaces of a root context.
final class StateHub: Sendable {
    private let makeEngine: @Sendable () -> any StateEngine
    private let engines = Mutex<[String: any StateEngine]>([:])

    init(makeEngine: @escaping @Sendable () -> any StateEngine = { MemoryEngine() }) {
        self.makeEngine = makeEngine
    }

    /// The engine of a namespace, made the first time somebody names it.
    func engine(for namespace: String) -> any StateEngine {
        engines.withLock { engines in
            if let engine = engines[namespace] { return engine }
            let engine = makeEngine()
            engines[namespace] = engine
            return engine
        }
    }
}
