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
        options: ProcessOptions = ProcessOptions(),
        body: PortableClosure,
        arguments: [UInt8]
    ) async throws -> ChildProcess {
        if let problem = options.problem { throw SpawnError(problem) }
        let job = try encoder.encode(ProcessJob(body: body, arguments: arguments, setup: ProcessSetup(options)))
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
        let launch = await ProcessLauncher.shared.launch(
            program,
            argument: argument.text,
            name: name,
            options: options
        ) {
            child.reaped()
            states.processEnded()
        } onExit: { termination in
            child.ended(termination)
            processes.remove(child)
        } onLaunch: { launch in
            if case .started(let pid, let descriptor) = launch { child.started(pid: pid, descriptor: descriptor) }
        }
        if case .failed(let number) = launch {
            let error = SpawnError(
                "cannot start \(program == Self.ownProgram ? CommandLine.arguments[0] : program) as a child process: "
                    + String(cString: strerror(number))
                    + (options.workingDirectory.map { "; is \($0) a directory one may enter?" } ?? ""),
                errorNumber: number
            )
            child.failedToStart(error)
            processes.remove(child)
            throw error
        }
        if let time = options.timeout {
            let timer = Task {
                try await Task.sleep(for: time.countable)
                await child.timeIsUp(after: time, grace: Context.grace)
            }
            // Nothing keeps time for a process that has ended.
            Task {
                try? await child.exit.value()
                timer.cancel()
            }
        }
        return child
    }
}
