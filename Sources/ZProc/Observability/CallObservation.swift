// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Tracing
internal import ZProcCore

/// What metrics and traces want to know of one call from elsewhere.
final class CallObservation: Sendable {
    private let name: String
    private let start = ContinuousClock.now
    private let metrics: SystemMetrics?
    private let span: (any Span)?

    /// Begins to look; nil when nobody wants to know anything, and then nothing is made.
    static func begin(
        _ service: any Service,
        _ method: String,
        trace: [String],
        _ metrics: SystemMetrics?
    ) -> CallObservation? {
        let context = Trace.context(of: trace)
        if metrics == nil, context == nil { return nil }
        return CallObservation(service, method, context, metrics)
    }

    private init(_ service: any Service, _ method: String, _ context: ServiceContext?, _ metrics: SystemMetrics?) {
        let known = type(of: service).name
        self.metrics = metrics
        span = context.map { Trace.beginServerSpan(known, method, $0) }
        // Callers make names up.
        name = service.has(method) ? "\(known).\(method)" : known
    }

    /// Whether what a call does belongs to a span.
    var hasSpan: Bool { span != nil }

    /// Has what a call does belong to its span.
    func carryOut(_ work: () -> Void) {
        if let span { ServiceContext.withValue(span.context, operation: work) } else { work() }
    }

    func answered(_ result: Result<[UInt8], WireError>) {
        var outcome = SystemMetrics.Outcome.ok
        if case .failure(let error) = result {
            outcome = .failed
            span?.setStatus(SpanStatus(code: .error, message: error.code))
        }
        metrics?.answered(name, outcome, since: start)
        span?.end()
    }
}
