// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Namespaces in the memory of this process.
package final class MemoryStore: StateStore {
    private let history: HistoryLimits
    private let engines = Mutex(EngineTable<MemoryEngine>())

    package init(history: HistoryLimits = HistoryLimits()) {
        self.history = history
    }

    package func engine(for namespace: String) -> any StateEngine {
        engines.withLock { engines in
            if let engine = engines.find(namespace) { return engine }
            let engine = MemoryEngine(history: history)
            engines.insert(engine, for: namespace) { $0.span().newest == .zero }
            return engine
        }
    }

    /// How many namespaces it remembers, those included that were only asked for.
    package var engineCount: Int { engines.withLock { $0.all.count } }

    package func namespaces() throws(StateError) -> [String] {
        engines.withLock { $0.all.filter { $0.value.exists }.keys.map(\.name).sorted() }
    }

    package func forgetReplies(before time: Int64) async {
        let engines = engines.withLock { Array($0.all.values) }
        for engine in engines { await engine.forgetReplies(before: time) }
    }
}
