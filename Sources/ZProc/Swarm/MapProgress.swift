// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import ZProcCore

/// How far a map is.
public struct MapProgress: Hashable, Sendable {
    /// How a map shows how far it is.
    public enum Display: String, Hashable, Sendable, Codable, CaseIterable {
        /// Not at all.
        case none
        /// On the standard error: a bar that moves when that is a terminal, else a line every 5 seconds and at the end.
        case bar
    }

    /// The label given to the map, if one was.
    public var label: String?
    /// How many items there are; nil when that is not known.
    public var total: Int?
    /// Items whose results are known.
    public var done: Int
    /// How many workers are ready.
    public var workers: Int
    /// Since the map began.
    public var elapsed: Duration

    /// Makes a progress of its parts.
    public init(label: String?, total: Int?, done: Int, workers: Int, elapsed: Duration) {
        self.label = label
        self.total = total
        self.done = done
        self.workers = workers
        self.elapsed = elapsed
    }

    /// Items for each second so far.
    public var rate: Double { elapsed > .zero ? Double(done) / (elapsed / .seconds(1)) : 0 }

    /// In seconds; what takes longer than about a hundred years is said to take that.
    private static let longest = 3e9

    /// How long it takes at this rate until the end; nil when that is not known.
    public var remaining: Duration? {
        guard let total, rate > 0 else { return nil }
        return .seconds(min(max(0, Double(total) - Double(done)) / rate, Self.longest))
    }
}

extension MapProgress: CustomStringConvertible {
    /// Such as `squares 450/1000 45% 1200/s, 1 s left, 2 workers`.
    public var description: String {
        var words = label.map { [$0] } ?? []
        if let total {
            words.append("\(done)/\(total)")
            words.append("\(percentage(total))%")
        } else {
            words.append("\(done)")
        }
        words.append("\(Int(max(0, min(rate, 1e15)).rounded()))/s,")
        if let remaining, done < total ?? 0 { words.append("\(Self.text(remaining)) left,") }
        words.append(workers == 1 ? "1 worker" : "\(workers) workers")
        return words.joined(separator: " ")
    }

    private func percentage(_ total: Int) -> Int {
        Int(100 * share(of: total))
    }

    /// From 0 to 1.
    private func share(of total: Int) -> Double {
        total > 0 ? Double(max(0, min(done, total))) / Double(total) : 1
    }

    /// The same with a bar of so many places in front.
    func bar(_ width: Int) -> String {
        guard let total, width > 0 else { return description }
        let full = Int(Double(width) * share(of: total))
        return "[" + String(repeating: "#", count: full) + String(repeating: " ", count: width - full)
            + "] \(description)"
    }

    /// A time as people say it: `59 s`, `2 min`, `3 h`.
    private static func text(_ time: Duration) -> String {
        let seconds = Int(min(time / .seconds(1), 1e9).rounded(.up))
        return seconds < 120 ? "\(seconds) s" : seconds < 7_200 ? "\(seconds / 60) min" : "\(seconds / 3_600) h"
    }
}

/// Shows the progress of a map on the standard error, or what stands for it.
package final class ProgressDisplay: Sendable {
    private struct State {
        var hasEnded = false
        /// Whether the bar is in the last line, without an end.
        var isInLine = false
    }

    private let descriptor: Int32
    private let isTerminal: Bool
    private let state = Mutex(State())

    package init(on descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
    }

    /// How often it is to be shown.
    package var interval: Duration { isTerminal ? .milliseconds(100) : .seconds(5) }

    /// Shows it, unless the end has been shown.
    package func show(_ progress: MapProgress, isLast: Bool) {
        let text = isTerminal ? "\r\u{1b}[2K" + progress.bar(30) + (isLast ? "\n" : "") : "\(progress)\n"
        state.withLock { state in
            if state.hasEnded { return }
            state.hasEnded = isLast
            state.isInLine = isTerminal && !isLast
            _ = write(descriptor, text, text.utf8.count)
        }
    }

    /// Nothing more is shown: what is written next begins a line of its own.
    package func close() {
        state.withLock { state in
            if state.isInLine { _ = write(descriptor, "\n", 1) }
            state.isInLine = false
            state.hasEnded = true
        }
    }
}
