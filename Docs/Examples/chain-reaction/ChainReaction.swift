// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import ZProc

/// Ten dominoes, each a body of its own that falls when the one before has fallen.
@main struct ChainReaction {
    static let dominoes = 10

    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state
            var chain: [SpawnedProcess<Void>] = []
            for number in 1...dominoes {
                chain.append(
                    try await context.onWhen("fallen", equals: number - 1) { _ in
                        try await state.set("fallen", to: number)
                        throw ProcessExit()  // a domino falls once
                    }
                )
            }
            // Nothing falls before the first push.
            try await state.set("fallen", to: 0)
            try await state.first("fallen", equals: dominoes, timeout: .seconds(60))
            for domino in chain { try await domino.value }

            let order = try await state.history(of: "fallen").compactMap { $0.value?.intValue }
            try expect("fell in order", order, Array(0...dominoes))
        }
    }
}
