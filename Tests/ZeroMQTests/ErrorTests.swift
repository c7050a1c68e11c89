// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct ErrorTests {
    @Test func badEndpointIsRefused() throws {
        let context = try SocketContext()
        let socket = try context.makeSocket(.dealer)
        #expect(throws: ZeroMQError.self) { try socket.bind(to: "nonsense") }
    }
}
