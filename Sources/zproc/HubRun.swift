// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle
import ZProc

/// A hub as a service: it is there from its start until it is told to shut down.
struct HubRun: Service {
    private let addresses: [String]
    let context: Context
    private let options: HubOptions

    /// Opens the state; nobody is let in yet.
    init(addresses: [String], state: StateOptions, options: HubOptions) throws {
        self.addresses = addresses
        self.options = options
        var contextOptions = ContextOptions()
        // The group of services waits for the signals.
        contextOptions.stopsOnSignals = false
        context = try Context(.threads, state: state, options: contextOptions)
    }

    func run() async throws {
        do {
            try publish(context)
            ServiceManager.tell("READY=1")
            try await gracefulShutdown()
        } catch {
            await context.shutdown()
            throw error
        }
        ServiceManager.tell("STOPPING=1")
        await context.shutdown()
    }

    private func publish(_ context: Context) throws {
        var places: [String] = []
        for address in addresses {
            do {
                places.append(try context.publish(at: address, options))
            } catch let error as TransportError where error.code == .refused {
                throw Failure(
                    "\(address) can be reached from other machines, and without keys everybody there could run code as "
                        + "this user; give --keys FILE, listen at 127.0.0.1, or say --insecure",
                    status: .usage
                )
            }
        }
        // All at once, so that whoever has read a line has them all.
        try Output.put(places.map { "listening at \($0)\n" }.joined())
    }
}
