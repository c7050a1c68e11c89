// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZeroMQ

/// The messaging pattern that a socket follows; see the manual page zmq_socket(3) for each.
public enum SocketKind: CaseIterable, Hashable, Sendable {
    /// One peer only, both directions; for threads of one process.
    case pair
    /// Sends each message to all subscribers whose prefixes match, and drops it for those that are full.
    case publisher
    /// Receives what it has subscribed to.
    case subscriber
    /// Sends a request, then receives its reply, in turns.
    case request
    /// Receives a request, then sends its reply, in turns.
    case reply
    /// Spreads messages evenly over its peers and receives fairly from all.
    case dealer
    /// Puts the sender's routing id before each message and sends to the peer that the first frame names.
    case router
    /// Receives what pushers send, fairly.
    case pull
    /// Spreads messages evenly over pullers.
    case push
    /// A publisher that receives its subscribers' subscriptions as messages.
    case xpub
    /// A subscriber that sends its subscriptions as messages.
    case xsub
    /// Speaks plain TCP to peers without ZeroMQ, one routing id and one chunk of bytes at a time.
    case stream

    var rawType: Int32 {
        switch self {
        case .pair: ZMQ_PAIR
        case .publisher: ZMQ_PUB
        case .subscriber: ZMQ_SUB
        case .request: ZMQ_REQ
        case .reply: ZMQ_REP
        case .dealer: ZMQ_DEALER
        case .router: ZMQ_ROUTER
        case .pull: ZMQ_PULL
        case .push: ZMQ_PUSH
        case .xpub: ZMQ_XPUB
        case .xsub: ZMQ_XSUB
        case .stream: ZMQ_STREAM
        }
    }

    /// Whether the first frame names the peer, so that one full peer need not hold up messages to others.
    var routesByFirstFrame: Bool {
        self == .router || self == .stream
    }
}
