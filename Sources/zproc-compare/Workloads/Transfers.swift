// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// Money that moves between accounts.
struct Transfers: Workload {
    let size: Int, workers: Int

    private static let accounts = 100, opening = 1_000

    private static func transfer(_ number: Int) -> (from: String, to: String, amount: Int) {
        ("account \(number &* 7 % accounts)", "account \((number &* 13 &+ 5) % accounts)", number % 10 + 1)
    }

    func loop() -> Int {
        var accounts = Self.opened
        for number in 0..<size {
            let (from, to, amount) = Self.transfer(number)
            accounts[from, default: 0] -= amount
            accounts[to, default: 0] += amount
        }
        return Self.digest(accounts)
    }

    func run(in context: Context) async throws -> Int {
        let bank = context.state(namespace: "bank"), size = size, workers = workers
        try await bank.merge(Self.opened)
        _ = try await context.spawnMap(0..<workers) { worker in
            for number in stride(from: worker, to: size, by: workers) {
                let (from, to, amount) = Self.transfer(number)
                try await bank.update { accounts in
                    accounts[from, default: 0] -= amount
                    accounts[to, default: 0] += amount
                }
            }
        }.values
        let end = try await bank.snapshot()
        var accounts: [String: Int] = [:]
        for name in Self.opened.keys { accounts[name] = try end.get(name, default: 0) }
        return Self.digest(accounts)
    }

    private static var opened: [String: Int] {
        Dictionary(uniqueKeysWithValues: (0..<accounts).map { ("account \($0)", opening) })
    }

    /// A number that another distribution of the money hardly has.
    private static func digest(_ balances: [String: Int]) -> Int {
        (0..<accounts).reduce(0) { $0 + balances["account \($1)", default: 0] * ($1 + 1) }
    }
}
