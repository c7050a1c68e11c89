// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// What `doctor` tries out, the way programs do it.
enum Trials {
    static func run() async -> [Finding] { [encryption(), await state(), await hub()] }

    private static func encryption() -> Finding {
        let subject = "encryption (libzmq with CURVE)"
        do throws(TransportError) {
            _ = try KeyPair.generate()
            return .good(subject, "works")
        } catch {
            return .problem(subject, error.message, "install libzmq5 and libsodium23, or build libzmq with libsodium")
        }
    }

    private static var options: ContextOptions {
        var options = ContextOptions()
        options.stopsOnSignals = false
        return options
    }

    private static func state() async -> Finding {
        let subject = "shared state (LMDB)"
        do {
            let context = try Context(.threads, state: StateOptions(engine: .shared), options: options)
            let result = await trying {
                try await context.state.set("key", to: 1)
                return try await context.state.get("key", as: Int.self) == 1
            }
            await context.shutdown()
            guard try result.get() else { return .problem(subject, "does not give back what was written", remedy) }
            return .good(subject, "works")
        } catch {
            return .problem(subject, Failure(error).message, remedy)
        }
    }

    private static let remedy = "see what is said above of limits, directories and /dev/shm; install liblmdb0"

    private static func hub() async -> Finding {
        let subject = "a hub and its client"
        do {
            let hub = try Context(.threads, options: options)
            let result = await trying {
                let address = try hub.publish(at: "tcp://127.0.0.1:*")
                let client = try await Context(
                    connectingTo: address,
                    backend: .threads,
                    options: options,
                    patience: .seconds(5)
                )
                let roundTrip = await trying { try await client.ping().roundTrip }
                await client.shutdown()
                return try roundTrip.get()
            }
            await hub.shutdown()
            return .good(subject, "answers in \(Text.duration(try result.get() / .seconds(1)))")
        } catch {
            let remedy = "make sure that programs may listen at 127.0.0.1"
            return .problem(subject, Failure(error).message, remedy)
        }
    }

    private static func trying<Success>(_ body: () async throws -> Success) async -> Result<Success, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
