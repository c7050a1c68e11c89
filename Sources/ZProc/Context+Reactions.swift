// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
public import ZProcCore

/// Bodies that react to the state.
///
/// Each is spawned as ``Context/spawn(_:name:options:retry:retryArguments:start:fileID:line:body:)`` does and lives until it throws ``ProcessExit``, has been
/// called as often as asked for, or is stopped. Any other error ends it, and is what its `value` throws. The watch begins
/// when the call is made, not when the process has started. A body is called for one change after the other, never for
/// two at a time, and each time with the next one.
extension Context {
    /// Spawns a body that is called for each change of these keys, or of all when none is named.
    ///
    ///     let eater = try await context.onChange(of: "cookies") { change in … }
    ///
    /// - Parameters:
    ///   - keys: which keys.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onChange(
        of keys: String...,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Change) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let state = state(namespace: namespace)
        let reaction = try await Reaction(state, keys, start, mode, origins, policy, count)
        return try await spawn(name: name, fileID: fileID, line: line) {
            try await reaction.run(for: reaction.changes, body)
        }
    }

    /// Spawns a body that is called for each state in which a condition holds, the present one included.
    ///
    /// - Parameters:
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - condition: what to ask each state; runs in the spawned process.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhen(
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        _ condition: @escaping Snapshots.Condition,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let state = state(namespace: namespace)
        let reaction = try await Reaction(state, [], start, mode, origins, policy, count)
        return try await spawn(name: name, fileID: fileID, line: line) {
            try await reaction.run(for: reaction.states(condition), body)
        }
    }

    /// Spawns a body that is called for each state in which `key` has this value.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is to be equal to.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhen<T: Codable & Equatable & Sendable>(
        _ key: String,
        equals value: T,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = try KeyCondition(key, .equals(EncodedValue(encoding: value, for: key)))
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has another value than this, or none.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is not to be equal to.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhen<T: Codable & Equatable & Sendable>(
        _ key: String,
        notEquals value: T,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = try KeyCondition(key, .notEquals(EncodedValue(encoding: value, for: key)))
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has no value, or the value nil.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhenNil(
        _ key: String,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = KeyCondition(key, .isNil)
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has a value that is not nil.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhenNotNil(
        _ key: String,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = KeyCondition(key, .isNotNil)
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has a value, be it nil.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhenAvailable(
        _ key: String,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = KeyCondition(key, .isAvailable)
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has a value that counts as true.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhenTruthy(
        _ key: String,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = KeyCondition(key, .isTruthy)
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    /// Spawns a body that is called for each state in which `key` has no value, or one that counts as false.
    ///
    /// The present state counts; then those that changes of the key make.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - namespace: which state.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes that come while the body runs.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes have been forgotten before the body could see them.
    ///   - count: how often to call the body at most; nil for no end.
    ///   - name: for error messages.
    ///   - fileID: where the closure is written, for errors.
    ///   - line: where the closure is written, for errors.
    ///   - body: what to do; travels as a spawned body does.
    /// - Returns: the process.
    /// - Throws: as `spawn`.
    @discardableResult
    public func onWhenFalsy(
        _ key: String,
        namespace: String = "default",
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        name: String? = nil,
        fileID: String = #fileID,
        line: Int = #line,
        body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let condition = KeyCondition(key, .isFalsy)
        return try await react(to: condition, namespace, start, mode, origins, policy, count, name, fileID, line, body)
    }

    private func react(
        to condition: KeyCondition,
        _ namespace: String,
        _ start: WatchStart,
        _ mode: WatchMode,
        _ origins: ChangeOrigins,
        _ policy: CompactionPolicy,
        _ count: Int?,
        _ name: String?,
        _ fileID: String,
        _ line: Int,
        _ body: @escaping @concurrent @Sendable (Snapshot) async throws -> Void
    ) async throws -> SpawnedProcess<Void> {
        let state = state(namespace: namespace)
        let reaction = try await Reaction(state, [condition.key], start, mode, origins, policy, count)
        return try await spawn(name: name, fileID: fileID, line: line) {
            try await reaction.run(for: reaction.states { condition.holds(in: $0) }, body)
        }
    }
}

/// What a spawned body reacts to; travels with it.
struct Reaction: Codable, Sendable {
    private let state: SharedState
    private let keys: [String]
    private let start: WatchStart
    private let mode: WatchMode
    private let origins: ChangeOrigins
    private let policy: CompactionPolicy
    private let count: Int?

    init(
        _ state: SharedState,
        _ keys: [String],
        _ start: WatchStart,
        _ mode: WatchMode,
        _ origins: ChangeOrigins,
        _ policy: CompactionPolicy,
        _ count: Int?
    ) async throws {
        self.state = state
        self.keys = keys
        // The body's watch is made later, in another process; what happens until then is not to be missed.
        self.start = start == .now ? .revision(try await state.access.revision()) : start
        self.mode = mode
        self.origins = origins
        self.policy = policy
        self.count = count
    }

    private var request: WatchRequest {
        WatchRequest(
            filter: WatchFilter(
                keys: keys.isEmpty ? .all : .only(Set(keys.map(EntryKey.init))),
                hiddenOrigin: origins == .others ? state.origin : nil,
                includesIdentical: false
            ),
            mode: mode,
            start: start,
            onCompaction: policy,
            count: count,
            timeout: nil
        )
    }

    var changes: Changes { Changes(state.access.feed, request) }

    func states(_ condition: @escaping Snapshots.Condition) -> Snapshots {
        Snapshots(state.access.feed, request, where: condition)
    }

    /// Calls `body` for one element after the other.
    @concurrent func run<Elements: AsyncSequence & Sendable>(
        for elements: Elements,
        _ body: @concurrent @Sendable (Elements.Element) async throws -> Void
    ) async throws where Elements.Element: Sendable {
        do {
            for try await element in elements { try await body(element) }
        } catch is ProcessExit {}
    }
}

/// What is asked of a key; travels.
struct KeyCondition: Codable, Sendable {
    enum Kind: Codable, Sendable {
        case equals(EncodedValue), notEquals(EncodedValue)
        case isNil, isNotNil, isAvailable, isTruthy, isFalsy
    }

    let key: String
    private let kind: Kind

    init(_ key: String, _ kind: Kind) {
        self.key = key
        self.kind = kind
    }

    func holds(in snapshot: Snapshot) -> Bool {
        switch kind {
        case .equals(let value): snapshot.encoded(key).map { $0.means(value) } ?? false
        case .notEquals(let value): !(snapshot.encoded(key).map { $0.means(value) } ?? false)
        case .isNil: (snapshot[key] ?? .nil) == .nil
        case .isNotNil: (snapshot[key] ?? .nil) != .nil
        case .isAvailable: snapshot.contains(key)
        case .isTruthy: snapshot.isTruthy(key)
        case .isFalsy: !snapshot.isTruthy(key)
        }
    }
}
