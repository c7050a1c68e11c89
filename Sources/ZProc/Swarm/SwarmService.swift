// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import WeakReferences
internal import ZProcCore

/// Answers the workers of the swarms of this process.
final class SwarmService: Service {
    static let name = "swarm"

    private let swarms: SwarmTable
    private let system: WeakReference<ZProcSystem>

    init(_ swarms: SwarmTable, system: ZProcSystem) {
        self.swarms = swarms
        self.system = WeakReference(system)
    }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            switch SwarmMethod(rawValue: call.method) {
            case .next:
                let request = try read(call) { try WorkRequest(decoding: call.arguments, with: system.decoder) }
                let engine = try engine(request.worker)
                let id = WorkerID(request.worker.worker)
                let worker = try engine.isReady(id)
                engine.received(request.reports, from: id)
                engine.usesMemory(request.memoryByteCount, id)
                if request.asks {
                    worker.asks(call)
                } else {
                    call.succeed(WorkBatch().encoded)
                }
            case .cancelled:
                let name = try read(WorkerName.self, call, system)
                try engine(name).isReady(WorkerID(name.worker)).asksForCancelled(call)
            case .retry:
                let request = try read(RetryRequest.self, call, system)
                let job = try engine(request.worker).job(JobID(request.job))
                let delay = job?.retryDelay(attempt: request.attempt, after: system.errorCoder.decode(request.error))
                call.succeed(try system.encoder.encode(delay?.nanoseconds))
            case .join:
                let request = try read(JoinRequest.self, call, system)
                guard call.caller.info.build == system.node.info.build else {
                    throw SwarmError.otherBuild(system.node.info.build, here: call.caller.info.build)
                }
                let (worker, body) = try engine(request.swarm).join(request.processID, on: request.machine)
                call.succeed(try system.encoder.encode(JoinReply(worker: worker.number, body: body)))
            case .machine:
                let report = try read(MachineReport.self, call, system)
                let silence = try engine(report.swarm).heard(of: report.machine, ended: report.ended)
                call.succeed(try system.encoder.encode(silence.nanoseconds))
            case .untilEnd:
                let report = try read(MachineReport.self, call, system)
                try engine(report.swarm).awaitsEnd(report.machine, call)
            case nil:
                throw CallError(.methodNotFound, "a swarm has no method '\(call.method)'")
            }
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    private func engine(_ worker: WorkerName) throws -> SwarmEngine { try engine(worker.swarm) }

    private func engine(_ number: UInt64) throws -> SwarmEngine {
        if let engine = swarms.engine(number) { return engine }
        if swarms.wasMade(number) { throw SwarmError.hasEnded }
        throw SwarmError(
            .notFound,
            "the context there has made no swarm \(number) yet; give the address that the swarm's `address` is"
        )
    }

    private func read<Request: Decodable>(
        _ type: Request.Type,
        _ call: IncomingCall,
        _ system: ZProcSystem
    ) throws -> Request {
        try read(call) { try system.decoder.decode(type, from: call.arguments) }
    }

    private func read<Request>(_ call: IncomingCall, _ decode: () throws -> Request) throws -> Request {
        do {
            return try decode()
        } catch {
            throw CallError(.badArguments, "the arguments of swarm.\(call.method) cannot be read: \(error)")
        }
    }
}
