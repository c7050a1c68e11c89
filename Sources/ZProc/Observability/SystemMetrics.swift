// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
internal import Synchronization
internal import ZProcCore

/// What a context tells swift-metrics, if anybody collects.
///
/// Events are counted as they happen; amounts are read when they are recorded. Names of methods come from callers, so a
/// metric is made only for those that a service says it has.
final class SystemMetrics: Sendable {
    private struct Method {
        let calls: [Outcome: Counter], time: Metrics.Timer
    }
    enum Outcome: String, CaseIterable { case ok, failed }

    private let factory: any MetricsFactory
    private let methods = Mutex<[String: Method]>([:])
    private let gauges = Mutex<[String: Gauge]>([:])
    private let received: Counter, sent: Counter, refused: Counter

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        received = Counter(label: "zproc_received_bytes_total", factory: factory)
        sent = Counter(label: "zproc_sent_bytes_total", factory: factory)
        refused = Counter(label: "zproc_refused_messages_total", factory: factory)
    }

    func received(_ byteCount: Int) { received.increment(by: byteCount) }
    func sent(_ byteCount: Int) { sent.increment(by: byteCount) }
    func refusedMessage() { refused.increment() }

    /// A call from elsewhere was answered.
    func answered(_ method: String, _ outcome: Outcome, since start: ContinuousClock.Instant) {
        let metrics = methods.withLock { methods in
            if let known = methods[method] { return known }
            let calls = Outcome.allCases.map { outcome in
                let dimensions = [("method", method), ("outcome", outcome.rawValue)]
                return (outcome, Counter(label: "zproc_calls_total", dimensions: dimensions, factory: factory))
            }
            let time = Metrics.Timer(label: "zproc_call_seconds", dimensions: [("method", method)], factory: factory)
            let made = Method(calls: Dictionary(uniqueKeysWithValues: calls), time: time)
            methods[method] = made
            return made
        }
        metrics.calls[outcome]?.increment()
        metrics.time.recordNanoseconds((ContinuousClock.now - start).nanoseconds)
    }

    /// A supervisor has started a child again.
    func restarted(by supervisor: String) {
        Counter(label: "zproc_restarts_total", dimensions: [("supervisor", supervisor)], factory: factory).increment()
    }

    /// A process that this one has started has ended.
    func ended(_ status: ProcessLauncher.Termination.Status) {
        let cause =
            switch status {
            case .exited(0): "exit"
            case .exited: "failure"
            case .signaled: "signal"
            }
        Counter(label: "zproc_process_ends_total", dimensions: [("cause", cause)], factory: factory).increment()
    }

    func record(_ amount: some BinaryInteger, _ label: String, of dimension: (String, String)? = nil) {
        let key = "\(label) \(dimension?.1 ?? "")"
        let gauge = gauges.withLock { gauges in
            if let known = gauges[key] { return known }
            let made = Gauge(label: label, dimensions: dimension.map { [$0] } ?? [], factory: factory)
            gauges[key] = made
            return made
        }
        gauge.record(Int64(clamping: amount))
    }
}

/// Where a context's metrics are, once somebody collects them.
final class MetricsSlot: Sendable {
    private let metrics = Mutex<SystemMetrics?>(nil)
    /// Asked for each message, so without a lock where nobody collects.
    private let isFilled = Atomic(false)

    var current: SystemMetrics? { isFilled.load(ordering: .acquiring) ? metrics.withLock(\.self) : nil }

    /// Fills it, when a backend has been set up.
    func fill() {
        let factory = MetricsSystem.factory
        if factory is NOOPMetricsHandler { return }
        metrics.withLock { $0 = $0 ?? SystemMetrics(factory) }
        isFilled.store(true, ordering: .releasing)
    }
}
