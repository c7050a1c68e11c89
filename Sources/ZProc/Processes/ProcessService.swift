// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import WeakReferences
internal import ZProcCore

/// What a child asks its parent.
enum ProcessMethod: String {
    /// `[token]` → the job
    case job
    /// `[token, address]` → nil: the child hosts actors, and listens there
    case hosting
    /// `[token]` → nil, when the child is to cancel its body
    case stopRequested
    /// `[token, result]` or `[token, nil, error]` → nil: the body has ended; the child exits when it has the answer
    case finished
}

/// How a body ended, as the child tells it.
enum BodyOutcome {
    case returned([UInt8])
    case threw(WireError)
}

/// How a child's body ended.
struct EndReport: Codable {
    var token: UInt64
    var outcome: BodyOutcome

    init(token: UInt64, outcome: BodyOutcome) {
        self.token = token
        self.outcome = outcome
    }

    init(from decoder: any Decoder) throws {
        var fields = try decoder.unkeyedContainer()
        token = try fields.decode(UInt64.self)
        if let result = try fields.decodeIfPresent([UInt8].self) {
            outcome = .returned(result)
        } else {
            outcome = .threw(try fields.decode(WireError.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.unkeyedContainer()
        try fields.encode(token)
        switch outcome {
        case .returned(let result): try fields.encode(result)
        case .threw(let error):
            try fields.encodeNil()
            try fields.encode(error)
        }
    }
}

/// Answers the children of this process.
final class ProcessService: Service {
    static let name = "process"

    let table: ProcessTable
    private let system: WeakReference<ZProcSystem>

    init(table: ProcessTable, system: ZProcSystem) {
        self.table = table
        self.system = WeakReference(system)
    }

    func handle(_ call: IncomingCall) {
        guard let system = system.object else { return }
        do {
            switch ProcessMethod(rawValue: call.method) {
            case .job:
                let child = try child(call, UInt64.self, { $0 }, system).0
                child.asksForJob()
                // Nothing tells of the end of a link, and the process knows of no other one.
                child.exit.whenSettled { _ in call.callerHasGone() }
                // A spare process waits until there is one.
                child.job.whenSettled { job in
                    switch job {
                    case .success(let job): call.succeed(job)
                    case .failure(let error): call.fail(error, encoder: system.errorCoder)
                    }
                }
            case .hosting:
                let (child, list) = try child(call, ArgumentList<UInt64, [UInt8]>.self, \.values.0, system)
                child.hosted.settle(.success(list.values.1))
                call.succeed([])
            case .stopRequested:
                let child = try child(call, UInt64.self, { $0 }, system).0
                child.stopRequest.whenSettled { _ in call.succeed([]) }
            case .finished:
                let (child, report) = try child(call, EndReport.self, \.token, system)
                switch report.outcome {
                case .returned(let result):
                    child.outcome.settle(.success(result))
                case .threw(let error):
                    let original = system.errorCoder.decode(error, processID: child.processID)
                    child.outcome.settle(.failure(original))
                    child.hosted.settle(.failure(original))
                }
                call.succeed([])
            case nil:
                throw CallError(.methodNotFound, "a parent process has no method '\(call.method)'")
            }
        } catch {
            call.fail(error, encoder: system.errorCoder)
        }
    }

    private func child<Request: Decodable>(
        _ call: IncomingCall,
        _ type: Request.Type,
        _ token: (Request) -> UInt64,
        _ system: ZProcSystem
    ) throws -> (ChildProcess, Request) {
        let request: Request
        do {
            request = try system.decoder.decode(type, from: call.arguments)
        } catch {
            throw CallError(.badArguments, "the arguments of process.\(call.method) cannot be read: \(error)")
        }
        // Tokens are small numbers, and the runtime directory keeps strangers out.
        guard let child = table.child(token(request)) else {
            throw CallError(.badArguments, "process \(system.node.info.processID) started no child \(token(request))")
        }
        return (child, request)
    }
}
