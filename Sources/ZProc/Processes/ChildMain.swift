// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Dispatch
internal import Glibc
internal import MessagePack
internal import ZProcCore

/// How a child finds its parent, and which of the parent's children it is; travels in an environment variable.
struct ChildArgument {
    var parent: NodeAddress
    var token: UInt64

    var text: String { "\(token) \(parent.node.number) \(parent.endpoint)" }

    init(parent: NodeAddress, token: UInt64) {
        self.parent = parent
        self.token = token
    }

    init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 2)
        guard parts.count == 3, let token = UInt64(parts[0]), let node = UInt64(parts[1]),
            let endpoint = try? Endpoint(String(parts[2]))
        else { return nil }
        self.init(parent: NodeAddress(endpoint: endpoint, node: NodeID(number: node)), token: token)
    }
}

/// A spawned process from the inside: gets its job from the parent, runs it, tells how it ended, and exits.
struct ChildMain: Sendable {
    let system: ZProcSystem
    private let argument: ChildArgument

    /// What `main` is in a child.
    ///
    /// The main thread serves the main actor.
    static func start() -> Never {
        guard let text = czproc_child_argument(), let argument = ChildArgument(String(cString: text)) else {
            fail(
                "the variable \(CZPROC_CHILD_VARIABLE) is not as a parent sets it; unset it and start the program again"
            )
        }
        let child = ChildMain(argument)
        Task(executorPreference: child.system.node.taskExecutor) { await child.run() }
        dispatchMain()
    }

    private init(_ argument: ChildArgument) {
        self.argument = argument
        system = ZProcSystem.child(of: argument.parent)
    }

    private func run() async -> Never {
        let job: [UInt8]
        do {
            job = try await call(.job, argument.token)
        } catch {
            Self.fail("cannot get its job from its parent: \(error)")
        }
        let body = Task(executorPreference: system.node.taskExecutor) { try await run(job) }
        let stopping = Task {
            // An error means that the parent has gone, and that ends this process anyway.
            _ = try? await call(.stopRequested, argument.token)
            body.cancel()
        }
        let outcome: BodyOutcome
        switch await body.result {
        case .success(let result): outcome = .returned(result)
        case .failure(let error): outcome = .threw(system.errorCoder.encode(error))
        }
        stopping.cancel()
        await system.processes.stopAll(grace: Context.childGrace)
        do {
            _ = try await call(.finished, ProcessRequest(token: argument.token, argument: outcome))
        } catch {
            Self.fail("cannot tell its parent how it ended: \(error)")
        }
        await system.shutdown()
        czproc_exit(0)
    }

    private func run(_ job: [UInt8]) async throws -> [UInt8] {
        let job = try system.decoder.decode(ProcessJob.self, from: job)
        guard let body = job.body.holder as? any PortableBody else {
            throw CallError(.badArguments, "the closure sent is no body of a process")
        }
        job.setup.apply()
        return try await body.run(arguments: job.arguments, in: self)
    }

    /// Tells the parent that an actor lives here now.
    func reportHosting(_ id: [UInt8]) async throws {
        _ = try await call(.hosting, ProcessRequest(token: argument.token, argument: id))
    }

    private func call(_ method: ProcessMethod, _ arguments: some Encodable) async throws -> [UInt8] {
        try await system.call(
            ProcessService.name,
            method.rawValue,
            arguments: try system.encoder.encode(arguments),
            at: argument.parent
        )
    }

    private static func fail(_ problem: String) -> Never {
        let text = "zproc: child process \(getpid()): \(problem)\n"
        write(STDERR_FILENO, text, text.utf8.count)
        czproc_exit(70)
    }
}

/// Called by the C start code instead of the program's main.
@_cdecl("czproc_child_main") func childMain() { ChildMain.start() }
