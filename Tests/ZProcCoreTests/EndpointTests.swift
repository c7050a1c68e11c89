// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import MessagePack
import Testing
import ZProcCore

@Suite struct EndpointTests {
    @Test(arguments: ["ipc:///tmp/x", "tcp://127.0.0.1:5000", "tcp://[::1]:*", "tcp://*:0", "inproc://name"])
    func addressesAreReadAndWritten(_ text: String) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.description == text)
        let bytes = try MessagePackEncoder().encode(endpoint)
        #expect(try MessagePackDecoder().decode(Endpoint.self, from: bytes) == endpoint)
    }

    @Test(arguments: [
        "", "x", "://", "ipc://", "tcp://:5", "tcp://host", "tcp://host:", "tcp://host:70000", "http://h:1",
    ])
    func badAddressesSayWhatIsWrong(_ text: String) throws {
        let error = try #require(throws: TransportError.self) { try Endpoint(text) }
        #expect(error.code == .invalidEndpoint)
        #expect(error.message.contains(text))
    }
}
