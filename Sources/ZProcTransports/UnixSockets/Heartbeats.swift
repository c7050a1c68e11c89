// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CZProc
internal import Glibc
internal import Synchronization
internal import WeakReferences
internal import ZProcCore

/// Has streams give signs of life, on a thread that does nothing else: a program whose threads are all busy lives, too.
///
/// There is one for each interval, and a thread as long as there are streams.
final class Heartbeats: Sendable {
    /// Whether a stream gives signs of life.
    enum Giving: Equatable {
        /// And the other side must not either.
        case never
        /// But the other side may.
        case onlyTaken
        /// From its beginning.
        case always(every: Duration)
        /// As soon as the other side has given one, which shows that it knows about them.
        case inReturn(every: Duration)
    }

    private struct State {
        var streams: [WeakReference<MessageStream>] = []
        var hasThread = false
    }
    private let interval: Duration
    private let state = Mutex(State())
    private static let all = Mutex<[Duration: Heartbeats]>([:])

    private init(every interval: Duration) { self.interval = interval }

    /// Has a stream ``MessageStream/beat(every:)`` from then on, until it says that this is enough.
    static func add(_ stream: MessageStream, every interval: Duration) {
        let interval = max(interval, .milliseconds(1))
        let heartbeats = all.withLock { all in
            if let known = all[interval] { return known }
            let new = Heartbeats(every: interval)
            all[interval] = new
            return new
        }
        heartbeats.add(stream)
    }

    private func add(_ stream: MessageStream) {
        let needsThread = state.withLock { state in
            state.streams.append(WeakReference(stream))
            defer { state.hasThread = true }
            return !state.hasThread
        }
        guard needsThread else { return }
        // Without memory for a thread there are no signs of life until the next stream comes.
        do { try tryToStartThread { [self] in run() } } catch { state.withLock { $0.hasThread = false } }
    }

    private func run() {
        czproc_name_thread("zproc-heart")
        repeat {
            var time = timespec()
            let (seconds, attoseconds) = interval.countable.components
            time.tv_sec = Int(seconds)
            time.tv_nsec = Int(attoseconds / 1_000_000_000)
            nanosleep(&time, nil)
        } while beat()
    }

    /// - Returns: whether there are streams left.
    private func beat() -> Bool {
        // Others may be added meanwhile: to beat takes the locks of streams.
        let streams = state.withLock { state in
            defer { state.streams = [] }
            return state.streams
        }
        let rest = streams.filter { $0.object?.beat(every: interval) ?? false }
        return state.withLock { state in
            state.streams += rest
            if state.streams.isEmpty { state.hasThread = false }
            return state.hasThread
        }
    }
}
