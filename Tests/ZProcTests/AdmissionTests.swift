// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Testing
import ZProc

@Suite struct AdmissionTests {
    @Test func whoComesFirstIsLetInFirst() {
        var admission = Admission<String>(limit: 2)
        #expect(admission.enter() == true)
        #expect(admission.enter() == true)
        #expect(admission.enter() == false)
        let tickets = (0..<3).map { _ in admission.makeTicket() }
        for (name, ticket) in zip(["a", "b", "c"], tickets) { #expect(admission.wait(name, ticket: ticket) == true) }
        #expect(admission.abandon(tickets[1]) == "b")
        #expect(admission.abandon(tickets[1]) == nil)
        #expect(admission.leave() == "a")
        #expect(admission.enter() == false)
        #expect(admission.leave() == "c")
        #expect(admission.abandon(tickets[2]) == nil)
        #expect(admission.leave() == nil)
        #expect(admission.count == 1)
        #expect(admission.enter() == true)
        #expect(admission.close() == [])
    }

    @Test func thereMayBeRoomWhenOneIsAboutToWait() {
        var admission = Admission<Int>(limit: 0)
        #expect(admission.enter() == true)
        let ticket = admission.makeTicket()
        #expect(admission.leave() == nil)
        #expect(admission.wait(1, ticket: ticket) == false)
        #expect(admission.count == 1)
        let second = admission.makeTicket()
        #expect(admission.wait(2, ticket: second) == true)
        #expect(admission.waitingCount == 1)
        #expect(admission.close() == [2])
    }
}
