// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import ZProcCore

/// Answers what other processes ask of the namespaces that live here.
struct StateService: Service {
    static let name = "state"

    let hub: StateHub
    private weak let system: ZProcSystem?

    init(hub: StateHub, system: ZProcSystem) {
        self.hub = hub
        self.system = system
    }

    func handle(_ call: IncomingCall) {
        guard let system else { return }
        do {
            guard let method = StateMethod(rawValue: call.method) else {
                throw CallError(.methodNotFound, "the state has no method '\(call.method)'")
            }
            try handle(call, method, system: system)
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    /// Reads are answered at once, on the transport's thread; writes wait for their turn on a task.
    private func handle(_ call: IncomingCall, _ method: StateMethod, system: ZProcSystem) throws {
        switch method {
        case .get:
            let (engine, key) = try request(call, String.self, system)
            call.succeed(try encode(engine.snapshot().encoded(key).map { [$0] } ?? [], system))
        case .contains:
            let (engine, key) = try request(call, String.self, system)
            call.succeed(try encode(engine.snapshot().contains(key), system))
        case .count:
            call.succeed(try encode(namespace(call, system).snapshot().count, system))
        case .keys:
            call.succeed(try encode(namespace(call, system).snapshot().keys, system))
        case .snapshot:
            call.succeed(try encode(namespace(call, system).snapshot(), system))
        case .set:
            let entry = try decode(call, StateEntry.self, system)
            write(call, hub.engine(for: entry.namespace), system) { $0[encoded: entry.key] = entry.value }
        case .remove:
            let (engine, key) = try request(call, String.self, system)
            call.respond(encoder: system.errorCoder) {
                let removed = try await engine.update { draft in
                    let value = draft[encoded: key]
                    draft[encoded: key] = nil
                    return value
                }
                return try encode(removed.map { [$0] } ?? [], system)
            }
        case .merge:
            let (engine, values) = try request(call, [String: EncodedValue].self, system)
            write(call, engine, system) { draft in
                for (key, value) in values { draft[encoded: key] = value }
            }
        case .clear:
            write(call, try namespace(call, system), system) { $0.removeAll() }
        case .update:
            guard call.caller.build == system.node.info.build else {
                throw CallError(
                    .differentBuild,
                    "an update closure came from build \(call.caller.build), this is \(system.node.info.build); "
                        + "closures travel between equal builds only"
                )
            }
            let (engine, closure) = try request(call, PortableClosure.self, system)
            guard let update = closure.holder as? any PortableUpdate else {
                throw CallError(.badArguments, "the closure sent is no update")
            }
            call.respond(encoder: system.errorCoder) { try await update.run(on: engine, system: system) }
        }
    }

    private func write(
        _ call: IncomingCall,
        _ engine: any StateEngine,
        _ system: ZProcSystem,
        _ body: @escaping @Sendable (inout Draft) -> Void
    ) {
        call.respond(encoder: system.errorCoder) {
            try await engine.update(body)
            return Self.nilValue
        }
    }

    private static let nilValue: [UInt8] = [0xc0]

    private func request<Argument: Codable>(
        _ call: IncomingCall,
        _: Argument.Type,
        _ system: ZProcSystem
    ) throws -> (any StateEngine, Argument) {
        let request = try decode(call, StateRequest<Argument>.self, system)
        return (hub.engine(for: request.namespace), request.argument)
    }

    private func namespace(_ call: IncomingCall, _ system: ZProcSystem) throws -> any StateEngine {
        let names = try decode(call, [String].self, system)
        guard names.count == 1 else {
            throw CallError(.badArguments, "state.\(call.method) takes [namespace]")
        }
        return hub.engine(for: names[0])
    }

    private func decode<T: Decodable>(_ call: IncomingCall, _ type: T.Type, _ system: ZProcSystem) throws -> T {
        do {
            return try system.decoder.decode(type, from: call.arguments)
        } catch let error as PortableClosureError {
            throw error
        } catch {
            throw CallError(.badArguments, "the arguments of state.\(call.method) cannot be read: \(error)")
        }
    }

    private func encode(_ value: some Encodable, _ system: ZProcSystem) throws -> [UInt8] {
        try system.encoder.encode(value)
    }
}
