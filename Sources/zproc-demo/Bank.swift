// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ZProc

/// Money moves between accounts from many bodies at once, and none is made or lost.
struct Bank: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Random transfers between accounts, each an atomic update."
    )

    @OptionGroup var options: BackendOption
    @Option(help: "How many bodies transfer at once.") var tellers = 8
    @Option(help: "How many transfers each makes.") var transfers = 1_000
    @Option(help: "How many accounts there are.") var accounts = 20
    @Option(help: "Where the random numbers start; another seed, other transfers.") var seed: UInt64 = 1

    func validate() throws {
        guard tellers > 0, transfers >= 0, accounts > 1 else {
            throw ValidationError("--tellers must be at least 1, --accounts at least 2, --transfers not negative")
        }
    }

    func run() async throws {
        let clock = ContinuousClock(), start = clock.now
        let opening = 100, accounts = accounts, transfers = transfers
        try await withContext(options.backend) { context in
            let bank = context.state(namespace: "bank")
            let names = (0..<accounts).map { "account \($0)" }
            try await bank.merge(Dictionary(uniqueKeysWithValues: names.map { ($0, opening) }))

            var processes: [SpawnedProcess<Int>] = []
            for teller in 0..<tellers {
                let process = try await context.spawn(seed &+ UInt64(teller), name: "teller \(teller)") { seed in
                    var random = SplitMix64(state: seed), moved = 0
                    for _ in 0..<transfers {
                        let pair = names.shuffled(using: &random).prefix(2),
                            amount = Int.random(in: 1...50, using: &random)
                        let from = pair[0], to = pair[1]
                        moved += try await bank.update { draft in
                            let balance = draft[from, default: 0]
                            guard balance >= amount else { return 0 }
                            draft[from, default: 0] -= amount
                            draft[to, default: 0] += amount
                            return amount
                        }
                    }
                    return moved
                }
                processes.append(process)
            }
            var moved = 0
            for process in processes { moved += try await process.value }

            let end = try await bank.snapshot()
            var sum = 0
            for name in names { sum += try end.get(name, default: 0) }
            print(
                "bank on \(options.backend): \(tellers) × \(transfers) transfers, \(moved) moved, sum \(sum), "
                    + "\(clock.now - start)"
            )
            guard sum == accounts * opening else {
                throw CheckFailed(description: "the accounts hold \(sum), but \(accounts * opening) was paid in")
            }
        }
    }
}

/// A small random generator that can start anywhere.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
