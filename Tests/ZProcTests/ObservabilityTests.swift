// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Distributed
import Glibc
import InMemoryTracing
import Metrics
import MetricsTestKit
import Testing
import Tracing
import ZProc

/// A tracer for the tests of this process; there can be one only.
private let tracer: InMemoryTracer = {
    let tracer = InMemoryTracer()
    InstrumentationSystem.bootstrap(tracer)
    return tracer
}()

/// The trace that the present task is in, and the span of it.
@Sendable private func present() -> [String] {
    guard let context = ServiceContext.current?.inMemorySpanContext else { return [] }
    return [context.traceID, context.spanID]
}

/// What the processes of a test have been prepared with.
@Sendable private func prepared() -> String? { getenv("ZPROC_TEST_PREPARED").map { String(cString: $0) } }

distributed actor TracedActor {
    typealias ActorSystem = ZProcSystem
    distributed func seen() -> [String] { present() }
}

/// What a context tells metrics, and how traces go on elsewhere.
@Suite(.tags(.process, .actors)) struct ObservabilityTests {
    // MARK: Traces

    /// Runs a body in a trace of its own; gives the number of that trace to it.
    private func traced<Result>(_ name: String, _ body: (String) async throws -> Result) async throws -> Result {
        try await tracer.withSpan(name, context: .topLevel) { span in try await body(span.traceID) }
    }

    private func withTracedContext(_ backend: Backend, _ body: (Context) async throws -> Void) async throws {
        _ = tracer
        try await withContext(backend) { context in
            context.prepareProcesses { InstrumentationSystem.bootstrap(InMemoryTracer()) }
            try await body(context)
        }
    }

    @Test(arguments: Backend.allCases) func aTraceGoesOnInBodies(on backend: Backend) async throws {
        try await withTracedContext(backend) { context in
            try await traced("spawn") { trace in
                let seen = try await context.spawn { present() }.value
                #expect(seen.first == trace)
                let nested = try await context.spawn { try await context.spawn { present() }.value }.value
                #expect(nested.first == trace)
            }
            #expect(try await context.spawn { present() }.value == [])
        }
    }

    @Test(arguments: Backend.allCases) func aTraceGoesOnInSwarms(on backend: Backend) async throws {
        try await withTracedContext(backend) { context in
            let swarm = try context.swarm(workers: 2)
            try await traced("map") { trace in
                let seen = try await swarm.map(0..<20) { _ in present().first ?? "" }
                #expect(Set(seen) == [trace])
                #expect(try await swarm.run { present().first } == trace)
            }
            #expect(Set(try await swarm.map(0..<20) { _ in present().count }) == [0])
        }
    }

    @Test(arguments: Backend.allCases) func aTraceGoesOnInActors(on backend: Backend) async throws {
        try await withTracedContext(backend) { context in
            let actor = try await context.host { TracedActor(actorSystem: $0) }
            try await traced("call") { trace async throws in #expect(try await actor.seen().first == trace) }
            #expect(try await actor.seen() == [])
        }
    }

    /// Both ends of a call are spans, the one within the other.
    @Test func aCallToAHubIsASpanOnBothSides() async throws {
        _ = tracer
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            let trace = try await traced("hub") { trace in
                try await client.state.set("key", to: 1)
                _ = try? await client.state.increment("text")
                return trace
            }
            let spans = tracer.finishedSpans.filter { $0.traceID == trace && $0.operationName == "state.set" }
            let caller = spans.first { $0.kind == .client }, server = spans.first { $0.kind == .server }
            #expect(caller != nil)
            #expect(server?.parentSpanID == caller?.spanID)
            #expect(server?.status == nil)
            let before = tracer.finishedSpans.count
            try await client.state.set("key", to: 2)
            // Nobody else uses this trace.
            #expect(!tracer.finishedSpans.dropFirst(before).contains { $0.traceID == trace })
            await client.shutdown()
        }
    }

    @Test func aCallThatFailsIsAnError() async throws {
        _ = tracer
        try await withContext(.threads) { hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            try await hub.state.set("text", to: "a")
            let trace = try await traced("hub") { trace in
                await #expect(throws: StateError.self) { try await client.state.increment("text") }
                return trace
            }
            let spans = tracer.finishedSpans.filter { $0.traceID == trace && $0.operationName == "state.increment" }
            let caller = spans.first { $0.kind == .client }, server = spans.first { $0.kind == .server }
            #expect(server?.status?.code == .error)
            #expect(caller?.errors.count == 1)
            await client.shutdown()
        }
    }

    // MARK: Metrics

    private func withMetrics(_ body: (TestMetrics, Context) async throws -> Void) async throws {
        let metrics = TestMetrics()
        let context = try withMetricsFactory(metrics) { try Context(.threads) }
        try await body(metrics, context)
        await context.shutdown()
    }

    private func last(_ metrics: TestMetrics, _ label: String, _ dimensions: [(String, String)] = []) -> Double? {
        metrics.recorders(label: label, dimensions: dimensions).first?.lastValue
    }

    @Test func callsAreCounted() async throws {
        try await withMetrics { metrics, hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            for number in 0..<10 { try await client.state.set("key", to: number) }
            try await client.state.set("text", to: "a")
            await #expect(throws: StateError.self) { try await client.state.increment("text") }
            func count(_ method: String, _ outcome: String) -> Int64 {
                metrics.counterTotal(
                    label: "zproc_calls_total",
                    dimensions: [("method", method), ("outcome", outcome)]
                )
            }
            #expect(count("state.set", "ok") == 11)
            #expect(count("state.set", "failed") == 0)
            #expect(count("state.increment", "failed") == 1)
            let times = try metrics.expectTimer("zproc_call_seconds", [("method", "state.set")])
            #expect(times.values.count == 11)
            #expect(times.values.allSatisfy { $0 > 0 })
            #expect(metrics.counterTotal(label: "zproc_received_bytes_total") > 12 * 20)
            #expect(metrics.counterTotal(label: "zproc_sent_bytes_total") > 12 * 4)
            await client.shutdown()
        }
    }

    @Test func whatThereIsIsRecorded() async throws {
        try await withMetrics { metrics, hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            try await client.state.set("key", to: 1)
            try await client.state(namespace: "other").set("key", to: 1)
            try await client.state(namespace: "other").set("key", to: 2)
            let watch = Task { for try await _ in client.state.changes() {} }
            try await eventually {
                hub.recordMetrics()
                // Between two answers, a watch has no call that waits.
                return last(metrics, "zproc_watches") == 1 && last(metrics, "zproc_calls_in_flight") == 1
            }
            #expect(last(metrics, "zproc_clients") == 1)
            #expect(last(metrics, "zproc_namespaces") == 2)
            #expect(last(metrics, "zproc_revision", [("namespace", "other")]) == 2)
            watch.cancel()
            await client.shutdown()
            try await eventually {
                hub.recordMetrics()
                return last(metrics, "zproc_watches") == 0 && last(metrics, "zproc_calls_in_flight") == 0
            }
            let swarm = try hub.swarm(workers: 2)
            #expect(try await swarm.map(0..<10) { $0 } == Array(0..<10))
            // One may have done it all before the other was there.
            try await eventually {
                hub.recordMetrics()
                return last(metrics, "zproc_swarm_workers") == 2
            }
        }
    }

    @Test func restartsAndEndsAreCounted() async throws {
        let metrics = TestMetrics()
        let context = try withMetricsFactory(metrics) { try Context(.processes) }
        let supervisor = try context.supervisor(.oneForOne, name: "guard")
        try await supervisor.spawn("child") {
            if try await context.state.increment("starts") < 2 { throw TestFailure(reason: "again") }
            try await Task.sleep(for: .seconds(1_000))
        }
        try await eventually { try await context.state.get("starts", default: 0) == 2 }
        await context.shutdown()
        #expect(metrics.counterTotal(label: "zproc_restarts_total", dimensions: [("supervisor", "guard")]) == 1)
        #expect(metrics.counterTotal(label: "zproc_process_ends_total") == 2)
    }

    /// A caller cannot fill a backend with names that it makes up.
    @Test func madeUpNamesAreNoMetrics() async throws {
        try await withMetrics { metrics, hub in
            let address = try hub.publish(at: "tcp://127.0.0.1:*")
            let client = try await Context(connectingTo: address, backend: .threads)
            for number in 0..<5 {
                _ = try? await client.run(task: "no-\(number)", 1, as: Int.self)
            }
            let methods = Set(metrics.counters(label: "zproc_calls_total").flatMap { $0.dimensions.map(\.1) })
            #expect(!methods.contains { $0.contains("no-") })
            await client.shutdown()
        }
    }

    /// Prepared in the order given, and in the processes of processes too.
    @Test func processesArePrepared() async throws {
        try await withContext(.processes) { context async throws in
            context.prepareProcesses { setenv("ZPROC_TEST_PREPARED", "1", 1) }
            context.prepareProcesses {
                setenv("ZPROC_TEST_PREPARED", (prepared() ?? "") + "2", 1)
            }
            #expect(try await context.spawn { prepared() }.value == "12")
            #expect(try await context.spawn { try await context.spawn { prepared() }.value }.value == "12")
            #expect(try await context.swarm(workers: 1).run { prepared() } == "12")
        }
        #expect(getenv("ZPROC_TEST_PREPARED") == nil)
    }
}
