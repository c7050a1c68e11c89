// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MessagePack
internal import PortableClosures
internal import ZProcCore

extension ZProcSystem {
    static let ownProgram = "/proc/self/exe"

    /// Starts a child process that runs `body`.
    ///
    /// - Throws: ``PortableClosureError`` or an encoding error before anything is started; ``SpawnError``.
    func startChild(
        name: String?,
        body: PortableClosure,
        arguments: [UInt8]
    ) async throws -> ChildProcess {
        let job = try encoder.encode(ProcessJob(body: body, arguments: arguments))
        guard job.count <= Envelope.maximumByteCount else {
            throw SpawnError(
                "the closure's captures and arguments have \(job.count) bytes, of at most \(Envelope.maximumByteCount); "
                    + "put large data into the state or a file"
            )
        }
        let address = try node.address()
        guard let child = processes.makeChild(name: name, job: job) else {
            throw SpawnError("nothing can be spawned in a context that has ended; make another one")
        }
        let argument = ChildArgument(parent: address, token: child.token)
        let processes = self.processes, states = self.states
        let launch = await ProcessLauncher.shared.launch(program, argument: argument.text) { termination in
            // The launch is reported before the end, by the same thread.
            child.ended(termination.cause)
            states.processEnded()
            processes.remove(child)
        } onLaunch: { launch in
            if case .started(let pid, let descriptor) = launch { child.started(pid: pid, descriptor: descriptor) }
        }
        if case .failed(let number) = launch {
            let error = SpawnError(
                "cannot start \(program == Self.ownProgram ? CommandLine.arguments[0] : program) as a child process: "
                    + String(cString: strerror(number)),
                errorNumber: number
            )
            child.failedToStart(error)
            processes.remove(child)
            throw error
        }
        return child
    }
}
