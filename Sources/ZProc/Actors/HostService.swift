// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import PortableClosures
internal import WeakReferences
internal import ZProcCore

/// What the owner of a host asks of it.
enum HostMethod: String {
    /// `[closure, comesBack]` → the id of the actor it made
    case make
    /// `number` → whether that actor was kept here and is let go now
    case release
}

/// The arguments of ``HostMethod/make``.
struct MakeRequest: Codable {
    var closure: PortableClosure
    var comesBack: Bool
}

/// Makes actors that live here, and lets them go.
final class HostService: Service {
    static let name = "host"

    /// The system's node owns this service, and the system owns the node.
    private let system: WeakReference<ZProcSystem>

    init(_ system: ZProcSystem) { self.system = WeakReference(system) }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        call.respond(encoder: system.errorCoder) { [self] in
            switch HostMethod(rawValue: call.method) {
            case .make:
                let request = try read(MakeRequest.self, call, system)
                guard let maker = request.closure.holder as? any PortableActorMaker else {
                    throw CallError(.badArguments, "the closure sent makes no actor")
                }
                return try system.encoder.encode(await maker.make(in: system, comesBack: request.comesBack))
            case .release:
                return try system.encoder.encode(system.release(read(UInt64.self, call, system)))
            case nil:
                throw CallError(.methodNotFound, "a host of actors has no method '\(call.method)'")
            }
        }
    }

    private func read<Request: Decodable>(
        _ type: Request.Type,
        _ call: IncomingCall,
        _ system: ZProcSystem
    ) throws -> Request {
        do {
            return try system.decoder.decode(type, from: call.arguments)
        } catch let error as PortableClosureError {
            throw error
        } catch {
            throw CallError(.badArguments, "the arguments of host.\(call.method) cannot be read: \(error)")
        }
    }
}
