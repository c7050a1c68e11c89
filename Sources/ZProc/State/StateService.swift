// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import WeakReferences
internal import ZProcCore

/// Answers what other processes ask of the state that lives here.
final class StateService: Service {
    static let name = "state"

    let store: any StateStore
    /// Calls that wait for changes.
    let waits: ChangeWaits
    private let updates: UpdateQueue
    private let claims = NamespaceClaims()
    private let system: WeakReference<ZProcSystem>

    init(store: any StateStore, waits: ChangeWaits, system: ZProcSystem) {
        self.store = store
        self.waits = waits
        self.system = WeakReference(system)
        updates = UpdateQueue(store)
    }

    func role(for method: String) -> Role { StateMethod(name: method)?.role ?? .reader }
    func has(_ method: String) -> Bool { StateMethod(name: method) != nil }
    func handleTogether(_ calls: () -> Void) { updates.collect(during: calls) }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            guard let method = StateMethod(name: call.method) else {
                throw CallError(.methodNotFound, "the state has no method '\(call.method)'")
            }
            try handle(StateCall(call, system), method)
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    /// Reads are answered at once, on the transport's thread; what may wait or take long is a task.
    private func handle(_ call: StateCall, _ method: StateMethod) throws {
        switch method {
        case .get:
            let (namespace, key) = try call.keyArguments()
            try call.succeed(engine(namespace).value(of: key).map { [$0] } ?? [])
        case .contains:
            let (namespace, key) = try call.keyArguments()
            try call.succeed(engine(namespace).value(of: key) != nil)
        case .count: try call.succeed(engine(call.arguments(String.self)).count())
        case .keys:
            // The state as it is now, put into bytes later: there may be much of it.
            let snapshot = try engine(call.arguments(String.self)).snapshot()
            call.respond { snapshot.keys }
        case .snapshot:
            let snapshot = try engine(call.arguments(String.self)).snapshot()
            call.respond { snapshot }
        case .namespaces: try call.succeed(store.namespaces())
        case .span: try call.succeed(engine(call.arguments(String.self)).span())
        case .set:
            let (namespace, origin, key, value) = try call.changedValueArguments()
            try apply(.set(key, value), namespace, origin, call)
        case .setIfAbsent:
            let (namespace, origin, key, value) = try call.changedValueArguments()
            try apply(.setIfAbsent(key, value), namespace, origin, call)
        case .increment:
            let (namespace, origin, key, amount) = try call.changedValueArguments()
            try apply(.increment(key, amount), namespace, origin, call)
        case .remove:
            let (namespace, origin, key) = try call.changedKeyArguments()
            try apply(.remove(key), namespace, origin, call)
        case .popAny:
            let (namespace, origin) = try call.arguments(String.self, Origin.self)
            try apply(.popAny, namespace, origin, call)
        case .clear:
            let (namespace, origin) = try call.arguments(String.self, Origin.self)
            try apply(.clear, namespace, origin, call)
        case .merge:
            let (namespace, origin, values) = try call.arguments(
                String.self,
                Origin.self,
                [String: EncodedValue].self
            )
            try apply(.merge(values), namespace, origin, call)
        case .replaceAll:
            let (namespace, origin, values) = try call.arguments(
                String.self,
                Origin.self,
                [String: EncodedValue].self
            )
            try apply(.replaceAll(values), namespace, origin, call)
        case .append:
            let (namespace, origin, key, elements) = try call.arguments(
                String.self,
                Origin.self,
                String.self,
                [EncodedValue].self
            )
            try apply(.append(key, elements), namespace, origin, call)
        case .compareAndSet:
            let (namespace, origin, key, expected, new) = try call.arguments(
                String.self,
                Origin.self,
                String.self,
                [EncodedValue].self,
                [EncodedValue].self
            )
            try apply(.compareAndSet(key, expected: expected.first, new: new.first), namespace, origin, call)
        case .update:
            try checkBuild(call)
            let (namespace, origin, closure) = try call.closureArguments()
            guard let update = closure.holder as? any PortableUpdate else {
                throw CallError(.badArguments, "the closure sent is no update")
            }
            let engine = try engine(namespace, for: call), system = call.system
            call.incoming.respond(encoder: system.errorCoder) {
                try await update.run(on: engine, by: origin, once: call.incoming.request, system: system)
            }
        case .updateModel:
            try checkBuild(call)
            let (namespace, origin, defaults, closure) = try call.arguments(
                String.self,
                Origin.self,
                [String: EncodedValue].self,
                EncodedValue.self
            )
            guard let update = try call.closure(in: closure).holder as? any PortableModelUpdate else {
                throw CallError(.badArguments, "the closure sent is no change of a model")
            }
            let engine = try engine(namespace, for: call), system = call.system
            call.incoming.respond(encoder: system.errorCoder) {
                try await update.run(defaults, on: engine, by: origin, once: call.incoming.request, system: system)
            }
        case .mergeWith:
            try checkBuild(call)
            let (namespace, origin, values, closure) = try call.arguments(
                String.self,
                Origin.self,
                [String: EncodedValue].self,
                EncodedValue.self
            )
            guard let merge = try call.closure(in: closure).holder as? any PortableMerge else {
                throw CallError(.badArguments, "the closure sent is no merge")
            }
            let engine = try engine(namespace, for: call)
            call.respond {
                try await merge.run(values, on: engine, by: origin, once: call.incoming.request)
                return Value.nil
            }
        case .snapshotAt:
            let (namespace, revision) = try call.arguments(String.self, Revision.self)
            let engine = try engine(namespace)
            call.respond { try engine.snapshot(at: revision) }
        case .records, .nextRecords:
            let (namespace, revision, limit) = try call.arguments(String.self, Revision.self, Int.self)
            let engine = try engine(namespace), most = max(1, min(limit, 1024))
            if method == .records {
                call.respond { Self.page(try engine.records(after: revision, limit: most)) }
            } else {
                waits.add(call, for: namespace, of: engine, after: revision, limit: most)
            }
        case .history:
            let (namespace, key) = try call.arguments(String.self, String.self)
            let engine = try engine(namespace)
            call.respond { try engine.history(of: key) }
        case .restore:
            let (namespace, origin, revision) = try call.arguments(String.self, Origin.self, Revision.self)
            // Where nothing is, nothing comes back.
            let engine = try engine(namespace)
            call.respond {
                try await engine.restore(to: revision, by: origin, once: call.incoming.request)
                return Value.nil
            }
        case .drop:
            let (namespace, origin) = try call.arguments(String.self, Origin.self)
            let engine = try engine(namespace)
            call.respond {
                try await engine.drop(by: origin, once: call.incoming.request)
                return Value.nil
            }
        }
    }

    private func engine(_ namespace: String) throws -> any StateEngine {
        try StateLimits.check(namespace: namespace)
        return store.engine(for: namespace)
    }

    /// The engine of a namespace that a call may change, and so make, as far as there may be more.
    private func engine(_ namespace: String, for call: StateCall) throws -> any StateEngine {
        let engine = try engine(namespace)
        if let most = call.incoming.inbound.policy.limits?.namespaces {
            // Nothing has been written since it was made, or dropped: it is not there.
            let span = try engine.span()
            if span.newest == span.birth {
                try claims.claim(namespace, for: call.incoming, most: most) { try store.namespaces() }
            }
        }
        return engine
    }

    private func apply(_ operation: StateOperation, _ namespace: String, _ origin: Origin, _ call: StateCall) throws {
        let engine = try operation.mayFillEmpty ? engine(namespace, for: call) : engine(namespace)
        let update = UpdateInTurn(of: engine, by: origin, once: call.incoming.request) {
            StateArguments.encoded(answer: try operation.apply(to: &$0))
        }
        // What takes about as long as starting a task is done at once, with others that have come with it.
        if operation.isSmall { updates.put(update, for: call) } else { call.respond(to: update) }
    }

    private func checkBuild(_ call: StateCall) throws {
        guard call.incoming.caller.info.build == call.system.node.info.build else {
            throw CallError(
                .differentBuild,
                "a closure came from build \(call.incoming.caller.info.build), this is \(call.system.node.info.build); "
                    + "closures travel between equal builds only"
            )
        }
    }

    /// As many changes as one message should hold, and at least one.
    static func page(_ records: [ChangeRecord]) -> [ChangeRecord] {
        var byteCount = 0
        let end = records.firstIndex { record in
            byteCount += record.byteCount
            return byteCount > 1 << 20
        }
        return Array(records.prefix(max(1, end ?? records.count)))
    }
}

/// A call to the state, with what it takes to read and answer it.
struct StateCall: Sendable {
    let incoming: IncomingCall
    let system: ZProcSystem

    init(_ incoming: IncomingCall, _ system: ZProcSystem) {
        self.incoming = incoming
        self.system = system
    }

    /// The arguments, which must be at least as many and of these types; more are ignored.
    func arguments<each T: Codable>(_ type: repeat (each T).Type) throws -> (repeat each T) {
        try decoded { try system.decoder.decode(ArgumentList<repeat each T>.self, from: incoming.arguments).values }
    }

    /// The closure that an argument is.
    func closure(in value: EncodedValue) throws -> PortableClosure {
        try decoded { try system.closure(in: value.bytes) }
    }

    /// What `decode` makes of the arguments, which say what is wrong with them.
    func decoded<Values>(_ decode: () throws -> Values) throws -> Values {
        do {
            return try decode()
        } catch let error as PortableClosureError {
            throw error
        } catch {
            throw CallError(.badArguments, "the arguments of state.\(incoming.method) cannot be read: \(error)")
        }
    }

    func succeed(_ value: some Encodable) throws { incoming.succeed(try system.encoder.encode(value)) }

    /// Answers when an update has been made.
    func respond(to update: UpdateInTurn) {
        incoming.respond(encoder: system.errorCoder) {
            try await update.engine.update(by: update.origin, once: update.request, update.body)
        }
    }

    func respond<T: Encodable & Sendable>(_ work: @concurrent @escaping @Sendable () async throws -> T) {
        incoming.respond(encoder: system.errorCoder) { try system.encoder.encode(try await work()) }
    }
}
