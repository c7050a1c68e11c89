// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
public import ZProcCore

extension SharedState {
    // MARK: Changes

    /// The changes of these keys, or of all when none is named.
    ///
    ///     for try await change in state.changes(of: "cookies") {
    ///         print(change.before["cookies", default: 0], "→", change.after["cookies", default: 0])
    ///     }
    ///
    /// The watch begins now, not with the first `next()`. See ``Changes`` for what it promises.
    ///
    /// - Parameters:
    ///   - keys: which keys; a transaction that writes one of them is one change.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - includingIdentical: whether to see transactions that wrote only what was there already.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the changes, one for each transaction.
    public func changes(
        of keys: String...,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        includingIdentical: Bool = false,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Changes {
        let filter = keys.isEmpty ? WatchFilter.Keys.all : .only(Set(keys.map(EntryKey.init)))
        let options = WatchOptions(start, mode, origins, includingIdentical, policy, count, timeout)
        return Changes(access.feed, request(filter, options))
    }

    /// The changes of all keys but these.
    ///
    /// - Parameters:
    ///   - key: a key to ignore.
    ///   - keys: more of them; a transaction that writes another key is a change.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - includingIdentical: whether to see transactions that wrote only what was there already.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the changes, one for each transaction.
    public func changes(
        exceptOf key: String,
        _ keys: String...,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        includingIdentical: Bool = false,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Changes {
        let options = WatchOptions(start, mode, origins, includingIdentical, policy, count, timeout)
        return Changes(access.feed, request(.except(Set(([key] + keys).map(EntryKey.init))), options))
    }

    // MARK: States

    /// The states for which a condition holds: the present one, and each that a change makes.
    ///
    ///     for try await state in state.when({ $0["gold", default: 0] > 40 }) { … }
    ///
    /// - Parameters:
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    ///   - condition: what to ask each state; runs in this process.
    /// - Returns: the states, in order.
    public func when(
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil,
        _ condition: @escaping Snapshots.Condition
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(access.feed, request(.all, options), where: condition)
    }

    /// The states in which `key` has this value.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is to be equal to.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func when<T: Codable & Equatable & Sendable>(
        _ key: String,
        equals value: T,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: { try KeyCondition(key, .equals(EncodedValue(encoding: value, for: key))).holds(in: $0) }
        )
    }

    /// The states in which `key` has another value than this, or none.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is not to be equal to.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func when<T: Codable & Equatable & Sendable>(
        _ key: String,
        notEquals value: T,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: { try KeyCondition(key, .notEquals(EncodedValue(encoding: value, for: key))).holds(in: $0) }
        )
    }

    /// The states in which `key` has no value, or the value nil.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func whenNil(
        _ key: String,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: KeyCondition(key, .isNil).holds(in:)
        )
    }

    /// The states in which `key` has a value that is not nil.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func whenNotNil(
        _ key: String,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: KeyCondition(key, .isNotNil).holds(in:)
        )
    }

    /// The states in which `key` has a value, be it nil.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func whenAvailable(
        _ key: String,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: KeyCondition(key, .isAvailable).holds(in:)
        )
    }

    /// The states in which `key` has a value that counts as true; see ``Snapshot/isTruthy(_:)``.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func whenTruthy(
        _ key: String,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: KeyCondition(key, .isTruthy).holds(in:)
        )
    }

    /// The states in which `key` has no value, or one that counts as false.
    ///
    /// The present state comes first if it is one of them; then each change of the key is looked at.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the states, in order.
    public func whenFalsy(
        _ key: String,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> Snapshots {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(
            access.feed,
            request(.only([EntryKey(key)]), options),
            where: KeyCondition(key, .isFalsy).holds(in:)
        )
    }

    // MARK: Values

    /// The values of a key: the present one, and each that a change gives it; nil for none.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - type: what the values are.
    ///   - start: where the watch begins.
    ///   - mode: what to do with changes the consumer has not asked for yet.
    ///   - origins: whose changes to see.
    ///   - policy: what to do when changes that were to be delivered have been forgotten.
    ///   - count: how many to deliver before the sequence ends; nil for no end.
    ///   - timeout: how long to wait for each before ``StateError/Code/timedOut`` is thrown; nil for ever.
    /// - Returns: the values, in order; it throws ``StateError/Code/typeMismatch`` for one that is no `T`.
    public func values<T: Codable & Sendable>(
        of key: String,
        as type: T.Type = T.self,
        from start: WatchStart = .now,
        mode: WatchMode = .buffered,
        origins: ChangeOrigins = .all,
        onCompaction policy: CompactionPolicy = .fail,
        count: Int? = nil,
        timeout: Duration? = nil
    ) -> AsyncThrowingMapSequence<Snapshots, T?> {
        let options = WatchOptions(start, mode, origins, false, policy, count, timeout)
        return Snapshots(access.feed, request(.only([EntryKey(key)]), options), where: { _ in true })
            .map { try $0.get(key, as: T?.self) ?? nil }
    }

    // MARK: One

    /// The first change of these keys, or of any when none is named.
    ///
    /// - Parameters:
    ///   - keys: which keys.
    ///   - start: where to begin.
    ///   - origins: whose changes to see.
    ///   - timeout: how long to wait.
    /// - Returns: the change.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstChange(
        of keys: String...,
        from start: WatchStart = .now,
        origins: ChangeOrigins = .all,
        timeout: Duration? = nil
    ) async throws -> Change {
        let filter = keys.isEmpty ? WatchFilter.Keys.all : .only(Set(keys.map(EntryKey.init)))
        let options = WatchOptions(start, .buffered, origins, false, .fail, 1, timeout)
        return try await Self.first(of: Changes(access.feed, request(filter, options)))
    }

    /// The first state for which a condition holds: the present one, if it does.
    ///
    /// - Parameters:
    ///   - timeout: how long to wait.
    ///   - condition: what to ask each state; runs in this process.
    /// - Returns: the state.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`; what `condition` throws.
    @discardableResult
    public func first(timeout: Duration? = nil, where condition: @escaping Snapshots.Condition) async throws -> Snapshot
    {
        try await Self.first(of: when(count: 1, timeout: timeout, condition))
    }

    /// The first state in which `key` has this value.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is to be equal to.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func first<T: Codable & Equatable & Sendable>(
        _ key: String,
        equals value: T,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: when(key, equals: value, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has another value than this, or none.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - value: what its value is not to be equal to.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func first<T: Codable & Equatable & Sendable>(
        _ key: String,
        notEquals value: T,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: when(key, notEquals: value, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has no value, or the value nil.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstNil(
        _ key: String,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: whenNil(key, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has a value that is not nil.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstNotNil(
        _ key: String,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: whenNotNil(key, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has a value, be it nil.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstAvailable(
        _ key: String,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: whenAvailable(key, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has a value that counts as true.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstTruthy(
        _ key: String,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: whenTruthy(key, count: 1, timeout: timeout))
    }

    /// The first state in which `key` has no value, or one that counts as false.
    ///
    /// - Parameters:
    ///   - key: the key.
    ///   - timeout: how long to wait.
    /// - Returns: the state; the present one, if it is one of them.
    /// - Throws: ``StateError/Code/timedOut``; `CancellationError`.
    @discardableResult
    public func firstFalsy(
        _ key: String,
        timeout: Duration? = nil
    ) async throws -> Snapshot {
        try await Self.first(of: whenFalsy(key, count: 1, timeout: timeout))
    }

    private static func first<Elements: AsyncSequence>(of elements: Elements) async throws -> Elements.Element {
        for try await element in elements { return element }
        throw CancellationError()
    }

    private func request(_ keys: WatchFilter.Keys, _ options: WatchOptions) -> WatchRequest {
        WatchRequest(
            filter: WatchFilter(
                keys: keys,
                hiddenOrigin: options.origins == .others ? origin : nil,
                includesIdentical: options.includesIdentical
            ),
            mode: options.mode,
            start: options.start,
            onCompaction: options.policy,
            count: options.count,
            timeout: options.timeout
        )
    }
}

/// What all watches can be asked for.
private struct WatchOptions {
    let start: WatchStart
    let mode: WatchMode
    let origins: ChangeOrigins
    let includesIdentical: Bool
    let policy: CompactionPolicy
    let count: Int?
    let timeout: Duration?

    init(
        _ start: WatchStart,
        _ mode: WatchMode,
        _ origins: ChangeOrigins,
        _ includesIdentical: Bool,
        _ policy: CompactionPolicy,
        _ count: Int?,
        _ timeout: Duration?
    ) {
        self.start = start
        self.mode = mode
        self.origins = origins
        self.includesIdentical = includesIdentical
        self.policy = policy
        self.count = count
        self.timeout = timeout
    }
}
