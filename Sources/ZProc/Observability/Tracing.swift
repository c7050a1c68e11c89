// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Distributed
internal import Tracing
internal import ZProcCore

/// Takes swift-distributed-tracing's context along to where calls are carried out.
///
/// What a program's tracer wants to travel are a few short texts. Nothing of it happens where a task has no context.
enum Trace {
    /// Whether the present task is in a trace.
    static var isOn: Bool { ServiceContext.current != nil }

    /// What travels of the present task's context: names and values in turn.
    static var outgoing: [String] { ServiceContext.current.map(texts(of:)) ?? [] }

    private static func texts(of context: ServiceContext) -> [String] {
        var texts: [String] = []
        InstrumentationSystem.instrument.inject(context, into: &texts, using: Texts())
        return texts
    }

    /// The context that travelled here; nil for none.
    static func context(of texts: [String]) -> ServiceContext? {
        if texts.isEmpty { return nil }
        var context = ServiceContext.topLevel
        InstrumentationSystem.instrument.extract(texts, into: &context, using: Texts())
        return context
    }

    /// Makes a call a span of the trace that the present task is in.
    static func withClientSpan<Result>(
        _ service: String,
        _ method: String,
        _ call: ([String]) async throws -> Result
    ) async throws -> Result {
        try await Tracing.withSpan(name(service, method), ofKind: .client) { _ in try await call(outgoing) }
    }

    /// Begins the span of a call that came from elsewhere, and of what is done for it.
    static func beginServerSpan(_ service: String, _ method: String, _ context: ServiceContext) -> any Span {
        startSpan(name(service, method), context: context, ofKind: .server)
    }

    /// Runs the body of a process in the trace that it was spawned in, as a span of it.
    static func withSpan<Result>(of texts: [String], _ body: () async throws -> Result) async throws -> Result {
        guard let context = context(of: texts) else { return try await body() }
        return try await Tracing.withSpan("process.body", context: context, ofKind: .server) { _ in try await body() }
    }

    /// The trace that something done later, or elsewhere, belongs to.
    struct Context: Sendable {
        private let context: ServiceContext?

        private init(_ context: ServiceContext?) { self.context = context }

        /// That of the present task.
        static var current: Context { Context(ServiceContext.current) }

        /// One that travelled here.
        init(texts: [String]) { context = Trace.context(of: texts) }

        /// As it travels.
        var texts: [String] { context.map(Trace.texts(of:)) ?? [] }

        func carryOut<Result>(_ work: () async throws -> Result) async rethrows -> Result {
            guard let context else { return try await work() }
            return try await ServiceContext.withValue(context, operation: work)
        }
    }

    private static func name(_ service: String, _ method: String) -> String {
        service == ActorService.name ? RemoteCallTarget(method).description : "\(service).\(method)"
    }

    /// A list of names and values as what tracers put things into.
    private struct Texts: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into texts: inout [String]) {
            guard texts.count + 2 <= Envelope.maximumTraceCount, key.utf8.count + value.utf8.count <= 8_192 else {
                return
            }
            texts += [key, value]
        }

        func extract(key: String, from texts: [String]) -> String? {
            for index in stride(from: 0, to: texts.count - 1, by: 2) where texts[index] == key {
                return texts[index + 1]
            }
            return nil
        }
    }
}
