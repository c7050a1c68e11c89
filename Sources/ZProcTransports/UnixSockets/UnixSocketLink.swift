// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// The end of a link that opened it.
final class UnixSocketLink: TransportLink {
    private let endpoint: Endpoint
    private let stream: MessageStream
    private let receiver: any LinkReceiver
    /// Why there is no link any more; nil as long as there is one.
    private let ended = Mutex<TransportError?>(nil)
    /// Whether anything has come from there: then somebody listened.
    private let isAnswered = Atomic(false)

    init(_ stream: MessageStream, endpoint: Endpoint, receiver: any LinkReceiver) {
        self.stream = stream
        self.endpoint = endpoint
        self.receiver = receiver
    }

    /// Pauses between attempts while more connect to the endpoint than can wait there, and how many there are.
    private static let pause: Duration = .milliseconds(10), attempts = 500

    func connect(attempt: Int = 1) {
        do throws(UnixSocket.Failure) {
            try stream.open(handlers, connectingTo: endpoint.address)
        } catch {
            if error.number == EAGAIN || error.number == EINTR, attempt < Self.attempts {
                AlarmClock.shared.set(after: Self.pause) { [self] in connect(attempt: attempt + 1) }
                return
            }
            let failure = self.error(.system(error.number))
            guard end(failure) else { return }
            stream.close()
            // Not before the caller has its link.
            Task { receiver.linkClosed(failure) }
        }
    }

    /// Notes why there is no link any more; false when it is known already.
    private func end(_ error: TransportError) -> Bool {
        ended.withLock { ended in
            defer { ended = ended ?? error }
            return ended == nil
        }
    }

    private var handlers: MessageStream.Handlers {
        MessageStream.Handlers(
            received: { [self] message in
                if !isAnswered.load(ordering: .relaxed) { isAnswered.store(true, ordering: .relaxed) }
                receiver.linkReceived(message)
            },
            ended: { [self] end in
                let error = error(end)
                if self.end(error) { receiver.linkClosed(error) }
            }
        )
    }

    func send(_ message: [UInt8]) throws(TransportError) { try send(message, body: []) }

    func send(_ head: [UInt8], body: [UInt8]) throws(TransportError) {
        do throws(MessageStream.End) {
            try stream.send(head, body: body)
        } catch {
            throw ended.withLock { $0 } ?? self.error(error)
        }
    }

    func close() {
        _ = end(error(.closed))
        stream.close()
    }

    private func error(_ end: MessageStream.End) -> TransportError {
        switch end {
        case .peerGone where isAnswered.load(ordering: .relaxed):
            TransportError(.peerGone, "the node at \(endpoint) has gone; its calls may or may not have run")
        case .peerGone:
            TransportError(.unreachable, "whoever listened at \(endpoint) has gone, or lets no other users in")
        case .closed: TransportError(.closed, "this side has closed the link to \(endpoint)")
        case .malformed(let what): TransportError(.refused, "what listens at \(endpoint) is no node: it sent \(what)")
        case .silent(let time):
            TransportError(
                .peerGone,
                "the node at \(endpoint) has given no sign of life for \(time); its calls may or may not have run"
            )
        case .full: TransportError(.resources, "the node at \(endpoint) does not take what it is sent")
        case .system(ENOENT), .system(ECONNREFUSED), .system(ENOTSOCK), .system(ENOTDIR):
            TransportError(.unreachable, "nobody listens at \(endpoint); is the program there running?")
        case .system(let number):
            TransportError(
                number == EACCES || number == EPERM ? .permissionDenied : .resources,
                "\(endpoint): \(String(cString: strerror(number)))"
            )
        }
    }
}
