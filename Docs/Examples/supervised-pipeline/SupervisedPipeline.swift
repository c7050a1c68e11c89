// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Glibc
import ZProc

/// Grain becomes flour becomes bread, by three processes that die now and then.
///
/// Nothing is lost and nothing baked twice, because each step takes from one shelf and puts on the next in one update.
@main struct SupervisedPipeline {
    static let loaves = 60

    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let state = context.state
            let bakery = try context.supervisor(
                .restForOne,
                intensity: RestartIntensity(1_000, within: .seconds(1)),
                name: "bakery"
            )
            try await bakery.spawn("farm") { try await produce(state) }
            try await bakery.spawn("mill") { try await move(state, from: "grain", to: "flour") }
            try await bakery.spawn("oven") { try await move(state, from: "flour", to: "bread") }

            // Somebody pulls plugs.
            let saboteur = Task {
                while true {
                    try await Task.sleep(for: .milliseconds(30))
                    guard context.backend == .processes else { continue }
                    if let pid = bakery.children.compactMap(\.pid).randomElement() { kill(pid_t(pid), SIGKILL) }
                }
            }
            try await state.first(timeout: .seconds(100)) { $0["bread", default: 0] == loaves }
            saboteur.cancel()
            await bakery.stop()
            let left = try await state.snapshot()
            try expect("bread", left["bread", default: 0], loaves)
            try expect("grain and flour left", left["grain", default: 0] + left["flour", default: 0], 0)

            var restarts = 0
            for await event in bakery.events {
                if case .started = event.kind, event.incarnation > 1 { restarts += 1 }
            }
            print("restarts: \(restarts)")
            if context.backend == .processes { try expect("somebody was restarted", restarts > 0) }
        }
    }
}

private func produce(_ state: SharedState) async throws {
    while true {
        try await state.update { draft in
            guard draft["harvested", default: 0] < SupervisedPipeline.loaves else { return }
            draft["harvested", default: 0] += 1
            draft["grain", default: 0] += 1
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

private func move(_ state: SharedState, from shelf: String, to next: String) async throws {
    while true {
        try await state.first { $0[shelf, default: 0] > 0 }
        try await state.update { draft in
            guard draft[shelf, default: 0] > 0 else { return }
            draft[shelf, default: 0] -= 1
            draft[next, default: 0] += 1
        }
    }
}
