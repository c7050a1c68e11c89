// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// The engines of a store by the names of their namespaces.
///
/// Whoever asks for a namespace gets an engine, whatever the name; so when there are many, those are forgotten that
/// nobody uses and nothing is lost with.
package struct EngineTable<Engine: AnyObject> {
    /// So many are kept at least.
    package static var leastSweepCount: Int { 1_024 }

    private var engines: [EntryKey: Engine] = [:]
    private var sweepCount = Self.leastSweepCount
    /// The one found last, which is often the next to be asked for: then no name is hashed.
    private var latest: (name: EntryKey, engine: Engine)?

    package init() {}

    /// All of them.
    package var all: [EntryKey: Engine] { engines }

    /// The engine of a namespace; nil when there is none.
    package mutating func find(_ namespace: String) -> Engine? {
        let name = EntryKey(namespace)
        if let latest, latest.name == name { return latest.engine }
        guard let engine = engines[name] else { return nil }
        latest = (name, engine)
        return engine
    }

    /// Adds an engine.
    ///
    /// - Parameters:
    ///   - engine: the engine.
    ///   - namespace: its name.
    ///   - isEmpty: whether an engine may be forgotten as long as nobody else has it.
    package mutating func insert(_ engine: Engine, for namespace: String, forgetting isEmpty: (Engine) -> Bool) {
        if engines.count >= sweepCount {
            sweep(isEmpty)
            sweepCount = max(Self.leastSweepCount, engines.count * 2)
        }
        engines[EntryKey(namespace)] = engine
    }

    package mutating func removeAll() {
        engines = [:]
        latest = nil
    }

    private mutating func sweep(_ isEmpty: (Engine) -> Bool) {
        var names: [EntryKey] = []
        latest = nil
        var index = engines.values.startIndex
        while index != engines.values.endIndex {
            if isKnownUniquelyReferenced(&engines.values[index]), isEmpty(engines.values[index]) {
                names.append(engines[index].key)
            }
            engines.values.formIndex(after: &index)
        }
        for name in names { engines[name] = nil }
    }
}
