// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// Names a change that a client asks for, so that asking again does not make it twice.
///
/// A client that has lost its connection does not know whether its last requests were carried out. It sends them again
/// with the same numbers; what was committed is answered as it was then.
package struct UpdateRequest: Hashable, Sendable {
    /// A random number of the client's, not that of its connection.
    package var client: UInt64
    /// Counts the client's requests.
    package var number: UInt64
    /// The client has an answer to every request below this one; those need not be kept.
    package var answered: UInt64

    package init(client: UInt64, number: UInt64, answered: UInt64) {
        self.client = client
        self.number = number
        self.answered = answered
    }
}

/// Numbers a client's requests, and knows which have been answered.
package struct RequestNumbers {
    private var last: UInt64 = 0
    /// Requests that have not been answered, in order: most are answered as they were made, so nearly always the first goes.
    private var waiting: Deque<UInt64> = []

    package init() {}

    /// The number of the next request, and the floor to send along.
    package mutating func begin() -> (number: UInt64, answered: UInt64) {
        last += 1
        waiting.append(last)
        return (last, waiting[0])
    }

    /// A request has been answered, or given up.
    ///
    /// Cost: that of moving those between it and the nearer end; most are at the front.
    package mutating func end(_ number: UInt64) {
        if waiting.first == number {
            waiting.removeFirst()
            return
        }
        var low = 0, high = waiting.count
        while low < high {
            let middle = (low + high) / 2
            if waiting[middle] < number { low = middle + 1 } else { high = middle }
        }
        if low < waiting.count, waiting[low] == number { waiting.remove(at: low) }
    }
}

/// The answers to the requests of clients that may ask again, in memory.
package struct ReplyCache: Sendable {
    private struct Reply {
        var time: Int64
        var bytes: [UInt8]
    }
    private struct Client {
        var replies: [UInt64: Reply] = [:]
        /// Answers to requests below this one have been forgotten.
        var floor: UInt64 = 0

        mutating func keep(_ reply: Reply, for request: UpdateRequest) {
            forget(below: request.answered)
            if request.number >= floor { replies[request.number] = reply }
        }

        private mutating func forget(below answered: UInt64) {
            guard answered > floor else { return }
            if answered - floor <= replies.count {
                for number in floor..<answered { replies[number] = nil }
            } else {
                replies = replies.filter { $0.key >= answered }
            }
            floor = answered
        }
    }
    private var clients: [UInt64: Client] = [:]

    package init() {}

    /// How many answers are kept.
    package var count: Int { clients.values.reduce(0) { $0 + $1.replies.count } }

    /// The answer that a request got; nil when it has not been carried out.
    package func reply(to request: UpdateRequest) -> [UInt8]? {
        clients[request.client]?.replies[request.number]?.bytes
    }

    /// Keeps an answer, and forgets those that have arrived.
    ///
    /// Cost: O(1), on average over the requests of a client that counts by one.
    package mutating func keep(_ bytes: [UInt8], for request: UpdateRequest, at time: Int64) {
        // In place: many may wait for their answers.
        clients[request.client, default: Client()].keep(Reply(time: time, bytes: bytes), for: request)
    }

    /// Forgets answers that are older: their clients have gone.
    package mutating func forget(before time: Int64) {
        for (id, client) in clients {
            let kept = client.replies.filter { $0.value.time >= time }
            clients[id] = kept.isEmpty ? nil : Client(replies: kept, floor: client.floor)
        }
    }
}
