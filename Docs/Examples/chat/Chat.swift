// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import ExampleSupport
import ZProc

/// A room that passes on what is said in it; it lives in a process of its own and is found by its name.
distributed actor Room {
    typealias ActorSystem = ZProcSystem
    private var members: [String: Member] = [:]

    distributed func join(_ name: String, _ member: Member) async throws {
        members[name] = member
        try await say("\(name) is here", from: name)
    }

    distributed func say(_ text: String, from name: String) async throws {
        for (other, member) in members where other != name {
            do {
                try await member.hear(text, from: name)
            } catch is TransportError {
                members[other] = nil  // whoever has gone hears nothing
            } catch let error as CallError where error.code == .actorNotFound {
                members[other] = nil
            }
        }
    }

    distributed func names() -> [String] { members.keys.sorted() }
}

/// Somebody in the room, wherever they live.
distributed actor Member {
    typealias ActorSystem = ZProcSystem
    private var heard: [String] = []

    distributed func hear(_ text: String, from name: String) { heard.append("\(name): \(text)") }
    distributed func everything() -> [String] { heard }
}

/// Three people in three processes talk in a room in a fourth.
@main struct Chat {
    static func main() async throws {
        try await withContext(Backend.chosen) { context in
            let room = try await context.host { Room(actorSystem: $0) }
            try await context.register(room, as: "kitchen")
            let state = context.state
            let talks = try await context.spawnMap(["ada", "ben", "cleo"]) { name in
                guard let room = try await context.lookup("kitchen", as: Room.self) else { return [String]() }
                let member = Member(actorSystem: context.system)
                try await room.join(name, member)
                try await state.increment("here")
                try await state.first { $0["here", default: 0] == 3 }
                try await room.say("hello from \(name)", from: name)
                try await state.increment("said")
                try await state.first { $0["said", default: 0] == 3 }
                return try await member.everything()
            }
            for (name, heard) in zip(["ada", "ben", "cleo"], try await talks.values) {
                let hellos = heard.filter { $0.contains("hello") }.sorted()
                let others = ["ada", "ben", "cleo"].filter { $0 != name }
                try expect("\(name) heard", hellos, others.map { "\($0): hello from \($0)" })
            }
            // They have gone, and the room notices when it speaks to them.
            if context.backend == .processes {
                try await room.say("anybody?", from: "nobody")
                try expect("left in the room", try await room.names(), [])
            }
        }
    }
}
