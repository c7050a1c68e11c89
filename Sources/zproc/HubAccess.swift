// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import ZProc

/// How to get at a hub whose address is known.
struct AccessOptions: ParsableArguments {
    @Option(
        help: "A file with this client's keys and a line 'hub KEY'; see 'zproc keys'. By default that of ZPROC_KEYS.",
        completion: .file()
    )
    var keys: String?
    @Option(help: "How many seconds to wait for a hub that does not answer.") var timeout = 5.0

    func validate() throws {
        guard timeout > 0, timeout <= 3_600 else { throw ValidationError("--timeout is more than 0 and at most 3600") }
    }

    var patience: Duration { .seconds(timeout) }

    /// Runs `body` with a context that is connected to a hub.
    func withHub<Result>(at address: String, _ body: (Context) async throws -> Result) async throws -> Result {
        var options = ContextOptions()
        // There is nothing to stop: a signal just ends the program.
        options.stopsOnSignals = false
        let context = try await Context(
            connectingTo: address,
            credentials: try credentials(),
            backend: .threads,
            options: options,
            patience: patience
        )
        do {
            let result = try await body(context)
            await context.shutdown()
            return result
        } catch {
            await context.shutdown()
            throw error
        }
    }

    private func credentials() throws -> Credentials? {
        guard let path = keys ?? environment("ZPROC_KEYS") else { return nil }
        guard let credentials = try KeyFile(path: path).credentials else {
            throw Failure(
                "\(path) does not say which hub it is for: it lacks a line 'hub KEY', with the hub's public key"
            )
        }
        return credentials
    }
}

/// Which hub, and how to get at it.
struct HubOption: ParsableArguments {
    @Option(help: "Where the hub listens, such as tcp://127.0.0.1:5555. By default that of ZPROC_ADDRESS.")
    var address: String?
    @OptionGroup var access: AccessOptions

    func withHub<Result>(_ body: (Context) async throws -> Result) async throws -> Result {
        try await access.withHub(at: try hubAddress(address), body)
    }
}

/// The address of the hub: as given, or of the environment.
func hubAddress(_ given: String?) throws -> String {
    guard let address = given ?? environment("ZPROC_ADDRESS") else {
        throw ValidationError("Which hub? Give --address, or set ZPROC_ADDRESS.")
    }
    return address
}

/// A variable of the environment that is set to something.
func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

/// Ends `body` when its time is up.
///
/// - Throws: what `body` throws; a ``Failure`` that says the hub is not reachable.
func withDeadline<Result: Sendable>(
    _ time: Duration,
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: time)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else {
            throw Failure("the hub has not answered within \(Text.duration(time / .seconds(1)))", status: .unreachable)
        }
        return result
    }
}
